"""The commands of SLURM, for tests: jobs are processes of this machine. ``install`` puts them up.

In one folder lie a file per job, ``<id>.json``, and ``calls``, a line per command. What a test
writes there is obeyed: ``refuse`` (in these words sbatch takes no job), ``reason`` (said before
them), ``limit`` (of an array), ``full`` (sbatch retries by itself), ``silent`` (squeue fails),
``pending`` (the reason for which jobs do not start).
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(os.environ.get("FAKE_SLURM", "."))
REFUSED = "sbatch: error: Batch job submission failed: "


def install(folder: Path) -> dict[str, str]:
    """The environment in which the commands come before any others of their names."""
    (folder / "bin").mkdir(parents=True)
    for name in ("sbatch", "squeue", "scancel", "scontrol", "srun"):
        start = shlex.join([sys.executable, "-S", __file__, name])
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    return {"FAKE_SLURM": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def said(name: str | Path) -> str:
    """The content of a file; empty if there is none."""
    return (HERE / name).read_text() if (HERE / name).exists() else ""


def job(name: str, **changed: object) -> dict:
    """The state of a job, after a change."""
    known = json.loads(said(f"{name}.json") or "{}") | changed
    if changed:
        (HERE / f"{name}.new").write_text(json.dumps(known))
        (HERE / f"{name}.new").replace(HERE / f"{name}.json")
    return known


def sbatch(path: str) -> None:
    script, number = Path(path).read_text(), said("calls").count("sbatch")
    options = shlex.split(" ".join(re.findall("^#SBATCH --(.*=.*)", script, re.MULTILINE)))
    given = dict(option.split("=", 1) for option in options)
    for name, option in (("PARTITION", "partition"), ("TIMELIMIT", "time"), ("WAIT", "wait")):
        if f"SBATCH_{name}" in os.environ:
            given[option] = os.environ[f"SBATCH_{name}"]
    while said("full"):
        time.sleep(0.1)
    if said("reason"):
        print("sbatch: error:", said("reason"), file=sys.stderr)
    tasks = 1 + int(re.match(r"0-(\d+)", given.get("array", "0-0"))[1])
    if said("refuse"):
        sys.exit(REFUSED + said("refuse"))
    if tasks > int(said("limit") or 1000):
        sys.exit(REFUSED + "Invalid job array specification")
    for task in range(tasks):
        name = f"{number}_{task}" if "array" in given else str(number)
        if os.fork() == 0:
            keep(name, script, path, given)
        while not job(name):
            time.sleep(0.01)
    print("Submitted batch job", number)


def keep(name: str, script: str, path: str, given: dict[str, str]) -> None:
    """Run a job to its end; the part of SLURM's daemon."""
    os.setsid()
    for stream in range(3):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    signal.signal(signal.SIGTERM, lambda *_: cancelled(name))
    os.environ.update(FAKE_JOB=name, SLURM_JOB_ID=name.replace("_", "0"))
    if "_" in name:
        number, task = name.split("_")
        os.environ.update(SLURM_ARRAY_JOB_ID=number, SLURM_ARRAY_TASK_ID=task)
    job(name, state="PENDING", reason="None", path=path, code="0:0", given=given)
    job(name, keeper=os.getpid())
    while reason := said("pending"):
        job(name, reason=reason)
        time.sleep(0.1)
    process = subprocess.Popen(["bash", "-c", script], start_new_session=True)
    job(name, state="RUNNING", reason="None", group=process.pid)
    status = process.wait()
    code = f"{status}:0" if status >= 0 else f"0:{-status}"
    job(name, state="FAILED" if status else "COMPLETED", code=code)
    sys.exit()


def cancelled(name: str) -> None:
    """SIGTERM to all processes of the job and, a second later, SIGKILL."""
    group = job(name, state="CANCELLED", code="0:15").get("group")
    for number in (signal.SIGTERM, signal.SIGKILL) if group else ():
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        time.sleep(1)
    sys.exit()


def srun(*words: str) -> None:
    """The command after the options."""
    log = re.sub("%j|%A_%a", os.environ["FAKE_JOB"], words[words.index("--output") + 1])
    with open(log.replace("%t", "0"), "a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.execv(sys.executable, words[words.index(sys.executable) :])


def squeue(*words: str) -> None:
    if "SQUEUE_PARTITION" in os.environ:
        return  # as if all jobs were in another
    if said("silent"):
        sys.exit("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    for name in sorted(path.stem for path in HERE.glob("*.json")):
        known = job(name)
        if "--states=all" in words or known["state"] in ("PENDING", "RUNNING"):
            columns = {"%i": name, "%T": known["state"], "%r": known["reason"]}
            columns["%o"] = known["path"]
            print(re.sub("%.", lambda key, columns=columns: columns[key[0]], words[-1]))


def scontrol(*words: str) -> None:
    if not (known := job(words[-1])):
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    told = {"JobState": known["state"], "ExitCode": known["code"], "Command": known["path"]}
    print(f"JobId={words[-1]}", *(f"{key}={value}" for key, value in told.items()))


def scancel(*names: str) -> None:
    (HERE / "cancelled").write_text(said("cancelled") + " ".join([*names, ""]))
    for name in names:
        with suppress(KeyError, ProcessLookupError):
            os.kill(job(name)["keeper"], signal.SIGTERM)


if __name__ == "__main__":
    with (HERE / "calls").open("a") as calls:
        print(sys.argv[1], time.time(), file=calls)
    globals()[sys.argv[1]](*sys.argv[2:])
