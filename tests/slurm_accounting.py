"""A real SLURM with accounting, whose limits it enforces: Debian's slurmdbd and MariaDB.

QOS ``short`` takes no job of more than 2 minutes, ``few`` no more than two jobs of a user.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import counting
import pytest
from slurm_cluster import Cluster, free_ports

PROGRAMS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb", "mariadb-install-db")
ABSENT = [name for name in PROGRAMS if shutil.which(name) is None]
needs_accounting = pytest.mark.skipif(
    bool(ABSENT),
    reason=f"no {', '.join(ABSENT)} here; Debian: apt-get install slurmdbd mariadb-server",
)

CONFIG = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.sock
AccountingStorageEnforce=limits,qos
"""

DAEMON = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""

ACCOUNT = """
add cluster test
add qos short MaxWall=00:02:00 Flags=DenyOnLimit
add qos few MaxSubmitJobsPerUser=2
modify user root set qos=normal,short,few
"""


class AccountedCluster(Cluster):
    """The cluster, with accounting."""

    def __init__(self, folder: Path) -> None:
        port, database = free_ports(2, 10_500)
        super().__init__(folder, CONFIG.format(port=port, folder=folder))
        daemon = folder / "slurmdbd.conf"
        daemon.write_text(DAEMON.format(port=port, database=database, folder=folder))
        daemon.chmod(0o600)
        self.database, self.socket = database, folder / "sql.sock"

    def start_accounting(self) -> None:
        data = self.folder / "sql"
        make = ("--user=root", f"--datadir={data}", "--auth-root-authentication-method=normal")
        self._daemon("mariadb-install-db", "--no-defaults", *make, "--skip-test-db")
        with (self.folder / "mariadbd.log").open("w") as log:
            subprocess.Popen(
                [
                    *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}"),
                    *(f"--socket={self.socket}", f"--port={self.database}"),
                    *("--bind-address=127.0.0.1", f"--pid-file={self.folder}/mariadbd.pid"),
                    *("--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0"),
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._until(lambda: self._sql("select 1"))
        self._sql("create database slurm")
        self._sql("grant all on slurm.* to slurm@'127.0.0.1' identified by 'slurm'")
        self._sql("grant all on slurm.* to slurm@'localhost' identified by 'slurm'")
        self._daemon("slurmdbd")
        self._until(lambda: "Cluster" in self.run("sacctmgr", "show", "cluster"))
        for line in ACCOUNT.strip().splitlines():
            self._daemon("sacctmgr", "-i", *line.split())

    def stop(self) -> None:
        super().stop()
        for name in ("slurmdbd", "mariadbd"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.kill(self._pid(name), signal.SIGTERM)

    def _sql(self, words: str) -> bool:
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-e", words]
        return subprocess.run(command, capture_output=True).returncode == 0

    def _until(self, true) -> None:
        log = self.folder / "mariadbd.log"
        counting.until(true, 30, lambda: log.read_text())
