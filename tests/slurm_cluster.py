"""A real SLURM of virtual nodes on this machine, for tests, and the workflows that run on it.

Debian's packages, no systemd.

Two nodes with a pretend GPU (partitions ``gpu``, ``lost`` and, above them, ``high``, which
preempts: jobs of ``lost`` are cancelled) and two without (``cpu``, and those of sites with a say in
submissions). Everything lies in one folder and is reached by ``SLURM_CONF``; nothing of an
installed SLURM is touched. No accounting.
"""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import counting
import pytest

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "munged")
PACKAGES = "apt-get install slurm-wlm munge"


def missing() -> str | None:
    """Why there can be no SLURM here, and what to do; ``None`` where there can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"needs a real SLURM: no {', '.join(absent)} here; Debian: {PACKAGES}"
    return None if os.geteuid() == 0 else "needs a real SLURM, which is started as root"


REASON = missing()
needs_slurm = pytest.mark.skipif(REASON is not None, reason=str(REASON))


CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=5
SlurmctldTimeout=10
MessageTimeout=20
KillWait=3
Epilog={folder}/epilog
MinJobAge=300
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
MaxArraySize=1001
DefMemPerCPU=100
JobCompType=jobcomp/none
NodeName=DEFAULT CPUs=8 RealMemory=8000
NodeName=gpu[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={gpus} Gres=gpu:1
NodeName=cpu[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={cpus}
PartitionName=cpu Nodes=cpu[1-2] Default=YES MaxTime=60 DefaultTime=10
PartitionName=gpu Nodes=gpu[1-2] MaxTime=60 DefaultTime=10 PriorityTier=1 GraceTime=2
PartitionName=lost Nodes=gpu[1-2] MaxTime=60 PriorityTier=1 PreemptMode=CANCEL GraceTime=2
PartitionName=high Nodes=gpu[1-2] MaxTime=60 PriorityTier=10 PreemptMode=OFF
PartitionName=overwritten Nodes=cpu[1-2] MaxTime=60
PartitionName=commented Nodes=cpu[1-2] MaxTime=60
PartitionName=named Nodes=cpu[1-2] MaxTime=60
"""

LUA = "job_submit_lua.so"
SITE = """
function slurm_job_submit(job, partitions, user)
   if job.partition == "overwritten" then
      job.comment = "of the site"
   elseif job.partition == "commented" and job.comment == nil then
      slurm.log_user("Write --comment=PROJECT, and try again.")
      return slurm.ERROR
   elseif job.partition == "named" and not string.match(job.name, "^lab_") then
      slurm.log_user("Write --job-name=lab_NAME.")
      return slurm.ERROR
   end
   return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, user)
   return slurm.SUCCESS
end
"""
"""What a site does to submissions, in its ``job_submit.lua``."""


def has_lua() -> bool:
    """Whether SLURM has its plugin for ``job_submit.lua``."""
    return any(Path("/usr/lib").glob(f"*/slurm*/{LUA}"))


needs_lua = pytest.mark.skipif(
    not has_lua(), reason=f"no {LUA} here; Debian: apt-get install slurm-wlm-basic-plugins"
)


EPILOG = "#!/bin/sh\nwhile [ -e {hold} ]; do sleep 0.1; done\n"
"""What a node does after a job, which has not ended before."""


class Cluster:
    """The daemons, by name. ``folder``, which has a socket, has a short path without blanks.

    While there is a file ``hold``, jobs do not end.
    """

    nodes = ("gpu1", "gpu2", "cpu1", "cpu2")

    def __init__(self, folder: Path, more: str = "") -> None:
        self.hold = folder / "hold"
        self.folder, host = folder, socket.gethostname().partition(".")[0]
        (folder / "state").mkdir(parents=True)
        folder.chmod(0o755)
        port = free_ports(5)
        pairs = {"gpus": f"{port[1]},{port[2]}", "cpus": f"{port[3]},{port[4]}"}
        named = {name: f"[{ports}]" for name, ports in pairs.items()}
        config = CONFIG.format(host=host, folder=folder, port=port[0], **named)
        config += more + ("JobSubmitPlugins=lua\n" if has_lua() else "")
        (folder / "slurm.conf").write_text(config)
        (folder / "job_submit.lua").write_text(SITE)
        gres = "NodeName=gpu[1-2] Name=gpu File=/dev/null\n"  # a file must stand in for the device
        (folder / "gres.conf").write_text(gres)
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        (folder / "epilog").write_text(EPILOG.format(hold=self.hold))
        (folder / "epilog").chmod(0o755)
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o400)
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        """All daemons; returns when every node is idle."""
        key, socket_, log = (
            self.folder / name for name in ("munge.key", "munge.sock", "munge.log")
        )
        self._daemon(
            "munged", "--force", f"--key-file={key}", f"--socket={socket_}", f"--log-file={log}",
            f"--pid-file={self.folder}/munged.pid", f"--seed-file={self.folder}/seed",
        )  # fmt: skip
        self.start_accounting()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.until(lambda: self.idle() == set(self.nodes), 30)

    def start_accounting(self) -> None:
        """None here."""

    def start_controller(self) -> None:
        self._daemon("slurmctld")
        self.until(lambda: "is UP" in self.run("scontrol", "ping"), 30)

    def start_node(self, node: str) -> None:
        (self.folder / f"spool.{node}").mkdir(exist_ok=True)
        self._daemon("slurmd", "-N", node)

    def idle(self) -> set[str]:
        """Nodes without a job."""
        return set(self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split())

    def kill(self, daemon: str) -> None:
        """``kill -9`` of ``slurmctld`` or ``slurmd.<node>``."""
        os.kill(self._pid(daemon), signal.SIGKILL)

    def stop(self) -> None:
        """All jobs and daemons, by process number."""
        subprocess.run(
            ["scancel", "--user=root"], env=self._environment(), timeout=20, capture_output=True
        )
        with contextlib.suppress(TimeoutError):
            self.until(lambda: not self.run("squeue", "-h"), 15)
        names = [*(f"slurmd.{node}" for node in self.nodes), "slurmctld", "munged"]
        for name in names:
            try:
                os.kill(self._pid(name), signal.SIGTERM)
            except (FileNotFoundError, ProcessLookupError):
                continue

    def run(self, *command: str) -> str:
        """The output of a SLURM command; empty if it fails."""
        found = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=60
        )
        return found.stdout.strip() if found.returncode == 0 else ""

    def until(self, true: Callable[[], object], seconds: float) -> None:
        """Wait for something to be true."""
        counting.until(true, seconds, self.log)

    def log(self) -> str:
        """The last lines of the controller's log, and the queue."""
        lines = (self.folder / "slurmctld.log").read_text().splitlines()[-20:]
        return "\n".join([*lines, self.run("squeue", "-a"), self.run("sinfo", "-N", "-l")])

    def _daemon(self, *command: str) -> None:
        subprocess.run(command, env=self._environment(), check=True, capture_output=True)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _pid(self, daemon: str) -> int:
        return int((self.folder / f"{daemon}.pid").read_text())


@pytest.fixture(scope="module")
def cluster():
    yield from started(Cluster)


def started(kind: type[Cluster]) -> Iterator[Cluster]:
    """A cluster that runs, and is stopped."""
    folder = Path(tempfile.mkdtemp(prefix="slurm."))
    cluster = kind(folder / "cluster")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Workflow(counting.Workflow):
    """On the cluster."""

    def __init__(self, folder: Path, cluster: Cluster):
        super().__init__(folder, cluster.environment)
        self.cluster = cluster

    def report(self):
        return f"{self.told}\n{self.cluster.log()}"

    def queue(self):
        """The jobs of this workflow that wait or run."""
        tokens = {path.name for path in (self.folder / ".snakemake/submitit").glob("*")}
        lines = self.cluster.run("squeue", "-h", "-r", "-o", "%i %o").splitlines()
        jobs = (line.split(maxsplit=1) for line in lines)
        return [job for job, path in jobs if Path(path).parent.name in tokens]


@pytest.fixture
def workflow(tmp_path, cluster):
    workflow = Workflow(tmp_path, cluster)
    yield workflow
    workflow.kill()
    ids = workflow.queue()
    if ids:
        cluster.run("scancel", *ids)
        cluster.until(lambda: not workflow.queue(), 20)


def free_ports(count: int, first: int = 10_000) -> list[int]:
    """Ports below those that the kernel gives away, each worker of pytest in a range of its own:
    another cluster must not take one before the daemons of this one do."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = (port for port in range(first + 1000 * worker, 32_000) if _is_free(port))
    return list(itertools.islice(ports, count))


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0
