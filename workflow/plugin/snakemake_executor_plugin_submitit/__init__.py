"""A Snakemake executor that submits jobs through submitit: to SLURM, or as local processes.

See ``workflow/plugin/README.md``. What the executor keeps lies in one folder per submission,
``.snakemake/submitit/<rule>-<token>/``: the list of its jobs, submitit's files and the logs. The
token is also the comment of the SLURM jobs, so that SLURM's queue itself tells which jobs are ours,
also after Snakemake was killed. The folder goes when all jobs of a submission have succeeded.
"""

import atexit
import contextlib
import hashlib
import json
import math
import os
import shutil
import threading
import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Optional

import submitit
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase
from submitit.core.utils import FailedJobError, FailedSubmissionError, JobPaths

from . import parameters, slurm
from .job import SnakemakeJob
from .machine import ELSEWHERE, NOTHING, Share, this_machine

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=True,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=1,
)

CLUSTERS = ("slurm", "local", "debug")

SLOWEST = 8
"""SLURM is asked ever more rarely while nothing changes, down to once in so many intervals."""

KEPT = 10 * 24 * 3600
"""Seconds for which the logs of failed jobs are kept."""

LINES = 25
"""Lines of a failed job's log that are shown."""


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text, "env_var": False, "required": False})


# Snakemake builds its command line from these types: `str | None` crashes it.
@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Settings of the plugin, on the command line ``--submitit-<name>``."""

    cluster: Optional[str] = _setting(  # noqa: UP045
        "slurm", "Where jobs run: slurm, local (processes on this machine) or debug (in Snakemake)."
    )
    signal_delay: Optional[int] = _setting(  # noqa: UP045
        120, "Seconds before a job's time limit at which SLURM warns it, so that it saves its work."
    )
    max_timeouts: Optional[int] = _setting(  # noqa: UP045
        50, "How often a job that reached its time limit goes on in the same SLURM job."
    )
    submit_retries: Optional[int] = _setting(  # noqa: UP045
        10, "How often a submission that fails for a while is tried again, with doubling pauses."
    )


@dataclass
class Submission:
    """Jobs of one rule and the same resources: one job, or one job array."""

    name: str
    parameters: dict[str, Any]
    jobs: list[Any]
    folder: Path
    attempt: int = 0
    due: float = 0.0
    after: set[str] = field(default_factory=set)
    """SLURM jobs that have to leave the queue first: they write the same files."""

    @property
    def token(self) -> str:
        """What marks the submission in SLURM's queue."""
        return self.folder.name


class Left(NamedTuple):
    """A job of an earlier Snakemake that SLURM still has."""

    id: str
    folder: Path
    made_from: str
    ending: bool


@dataclass
class Running:
    """A submitted job: its SLURM id, or its process and share of this machine.

    ``ended`` is when SLURM first said that it had.
    """

    id: str
    folder: Path
    handle: Any = None
    share: Share = NOTHING
    ended: float | None = None

    @property
    def paths(self) -> JobPaths:
        """submitit's files of the job."""
        return JobPaths(self.folder, self.id, 0)

    @cached_property
    def result(self) -> str:
        """The path of its result."""
        return str(self.paths.result_pickle)


class Executor(RemoteExecutor):
    """Submits, watches and cancels jobs."""

    ready = False  # Snakemake's polling thread starts before __post_init__

    def __post_init__(self) -> None:
        self.settings = self.workflow.executor_settings
        self.root = Path(".snakemake/submitit").absolute()
        self.running: dict[str, Running] = {}
        self.waiting: list[Submission] = []
        self.left: dict[str, Left] | None = None
        self.seen: dict[str, slurm.Seen] = {}
        self.told: set[str] = set()
        self.in_flight: set[str] = set()
        self.asked, self.pause = -math.inf, self._interval
        self.submitting = threading.RLock()  # by Snakemake's scheduler, and by its polling thread
        self._check()
        self.machine = this_machine() if self.settings.cluster == "local" else ELSEWHERE
        # Not part of an allocation in which Snakemake itself may run.
        if "SLURM_JOB_ID" in os.environ:
            for name in [name for name in os.environ if name.startswith("SLURM_")]:
                if name != "SLURM_CONF":
                    del os.environ[name]
        atexit.register(self._cancel)  # a second Ctrl-C interrupts Snakemake's own cleaning up
        self.ready = True

    def _check(self) -> None:
        if self.settings.cluster not in CLUSTERS:
            raise WorkflowError(
                f"--submitit-cluster is {self.settings.cluster!r}; allowed: {', '.join(CLUSTERS)}."
            )
        if self.is_slurm and not (shutil.which("sbatch") and shutil.which("srun")):
            raise WorkflowError(
                "There is no `sbatch` on the PATH: this machine does not submit to SLURM. Log in "
                "to one that does, or run on this machine: `snakemake --cores all` (without the "
                "profile), or with the profile, as local processes, `--submitit-cluster local`."
            )

    @property
    def is_slurm(self) -> bool:
        """Whether jobs go to SLURM."""
        return bool(self.settings.cluster == "slurm")

    @property
    def _interval(self) -> float:
        return float(self.workflow.remote_execution_settings.seconds_between_status_checks)

    # ------------------------------------------------------------------------------------- submit

    def run_job(self, job: Any) -> None:
        """Submit one job."""
        self.run_jobs([job])

    def run_jobs(self, jobs: list[Any]) -> None:
        """Submit jobs, those of one rule with the same resources as one array."""
        groups: dict[str, Submission] = {}
        for job in jobs:
            self.run_job_pre(job)
            left = self._left_of(job)
            if left is not None and self._attach(job, left):
                continue
            wanted = self._parameters(job)
            key = job.name + repr(wanted) if self.is_slurm else str(job.jobid)
            submission = groups.setdefault(key, self._submission(job.name, [], wanted))
            submission.jobs.append(job)
            submission.after |= set() if left is None else {left.id}
        for submission in groups.values():
            self._submit_or_wait(submission)

    def _parameters(self, job: Any) -> dict[str, Any]:
        if not self.is_slurm:
            return {}
        return parameters.of_slurm(job, job.name, self.settings.signal_delay)

    def _submission(self, name: str, jobs: list[Any], wanted: dict[str, Any]) -> Submission:
        return Submission(name, wanted, jobs, self.root / f"{name}-{uuid.uuid4().hex[:12]}")

    def _submit_or_wait(self, submission: Submission) -> None:
        """Submit now, or later if it is not due, or if this machine has no room for it."""
        with self.submitting:
            share = self._share(submission.jobs[0])
            if share is not None and self._is_due(submission):
                self._submit(submission, share)
            else:
                self.waiting.append(submission)

    def _is_due(self, submission: Submission) -> bool:
        """Whether its pause is over, and those before it have left the queue."""
        if submission.after and time.monotonic() - self.asked >= self._interval:
            self._ask()
        submission.after &= {job for job, seen in self.seen.items() if seen.alive}
        return not submission.after and submission.due <= time.monotonic()

    def _submit(self, submission: Submission, share: Share) -> None:
        """What fails for a while waits for another attempt, the rest is an error."""
        self.in_flight.add(submission.token)
        try:
            handles = self._handed_over(submission, share)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            self.in_flight.discard(submission.token)
            self._refused(submission, str(error).strip())
            return
        first, last = handles[0].job_id, handles[-1].job_id
        ids = first if first == last else f"{first} to {last}"
        self.logger.info(
            f"Submitted {len(handles)} of {submission.name} as {ids}, logs in {submission.folder}"
        )
        for job, handle in zip(submission.jobs, handles, strict=True):
            self._watch(job, Running(handle.job_id, submission.folder, handle, share))
        self.in_flight.discard(submission.token)

    def _share(self, job: Any) -> Share | None:
        """What a job gets of this machine, nothing elsewhere; ``None`` while it has to wait."""
        others = [running.share for running in list(self.running.values())]
        return self.machine.share(parameters.cpus_of(job), parameters.gpus_of(job), others)

    def _handed_over(self, submission: Submission, share: Share) -> list[Any]:
        """submitit's jobs of a submission."""
        folder, work = submission.folder, Path(self.workflow.workdir_init)
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [[_key(job), _made_from(job)] for job in submission.jobs]
        (folder / "jobs.json").write_text(json.dumps(jobs))
        parent = None if self.is_slurm else os.getpid()
        calls = [SnakemakeJob(self._command(job), work, parent) for job in submission.jobs]
        executor: Any
        if self.settings.cluster == "slurm":
            executor = submitit.SlurmExecutor(folder, self.settings.max_timeouts)
            executor.update_parameters(**{**submission.parameters, "comment": submission.token})
        elif self.settings.cluster == "local":
            executor = submitit.LocalExecutor(folder, self.settings.max_timeouts)
            delay = self.settings.signal_delay
            executor.update_parameters(**parameters.of_local(submission.jobs[0], share.gpus, delay))
        else:
            executor = submitit.DebugExecutor(folder)
        with executor.batch():
            handles = [executor.submit(call) for call in calls]
        return handles

    def _command(self, job: Any) -> str:
        # submitit would join local lines with "&&", and lose the job where `sh` is bash.
        setup = [] if self.is_slurm else parameters.setup_of(job)
        return "\n".join([*setup, self.format_job_exec(job)])

    def _refused(self, submission: Submission, words: str) -> None:
        jobs, shared = submission.jobs, submission.parameters
        shutil.rmtree(submission.folder, ignore_errors=True)
        submission.attempt += 1
        too_many = slurm.TOO_MANY.search(words)
        if too_many and len(jobs) > 1:  # an array beyond the limit would never be accepted
            for part in (jobs[: len(jobs) // 2], jobs[len(jobs) // 2 :]):
                self._submit_or_wait(self._submission(submission.name, part, shared))
        elif self._is_worth_another(submission, words):
            pause = 2.0 ** min(submission.attempt, 8)
            self.logger.warning(
                f"SLURM does not take {submission.name} now ({words}); again in {pause:.0f} s."
            )
            submission.due = time.monotonic() + pause
            self.waiting.append(submission)
        else:
            for job in jobs:
                self.report_job_error(
                    SubmittedJobInfo(job), msg=f"sbatch refused the job: {words}\n"
                )

    def _is_worth_another(self, submission: Submission, words: str) -> bool:
        """A limit of submissions may pass as long as jobs of ours end."""
        too_many, passing = slurm.TOO_MANY.search(words), slurm.TRANSIENT.search(words)
        counted = submission.attempt <= self.settings.submit_retries
        return bool(too_many and self.running) or bool((too_many or passing) and counted)

    def _watch(self, job: Any, running: Running) -> None:
        self.running[running.id] = running
        self.pause = self._interval
        info = SubmittedJobInfo(job, external_jobid=running.id, aux={"running": running})
        self.report_job_submission(info)

    # ------------------------------------------------------------------------------------- attach

    def _left_of(self, job: Any) -> Left | None:
        """The job as SLURM still has it from a Snakemake that was killed or interrupted."""
        if self.left is None:
            self.left = self._left_behind()
        return self.left.pop(_key(job), None)

    def _attach(self, job: Any, left: Left) -> bool:
        """Whether the job that is left is this one; one of other parameters is cancelled."""
        if left.ending:
            self.logger.info(f"{job.name}: waiting for the end of {left.id}, which was cancelled.")
            return False
        if left.made_from != _made_from(job):
            self.logger.info(
                f"{job.name}: {left.id} has other parameters or inputs; cancelling it."
            )
            with contextlib.suppress(slurm.Silent):
                slurm.cancel([left.id])
            return False
        self.logger.info(f"{job.name}: SLURM still has this job as {left.id}; waiting for it.")
        self._watch(job, Running(left.id, left.folder))
        return True

    def _left_behind(self) -> dict[str, Left]:
        """Jobs of earlier Snakemakes in this folder that SLURM still has, by their key.

        What others have left, logs of failed jobs, is removed when it is old.
        """
        folders = {path.parent.name: path.parent for path in self.root.glob("*/jobs.json")}
        found: dict[str, Left] = {}
        queue = self._asked_until_answered() if folders and self.is_slurm else {}
        for number, seen in queue.items():
            if seen.alive and seen.comment in folders:
                folder = folders[seen.comment]
                jobs = json.loads((folder / "jobs.json").read_text())
                key, made_from = jobs[int(number.partition("_")[2] or 0)]
                found[key] = Left(number, folder, made_from, seen.state == "COMPLETING")
        live = {left.folder for left in found.values()}
        for folder in folders.values():
            if folder not in live and time.time() - folder.stat().st_mtime > KEPT:
                shutil.rmtree(folder, ignore_errors=True)
        return found

    def _asked_until_answered(self) -> dict[str, slurm.Seen]:
        """The queue; without it a job might be submitted twice."""
        while not self._ask():
            time.sleep(max(1.0, self._interval))
        return self.seen

    # -------------------------------------------------------------------------------------- watch

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report jobs that have ended; yield those that have not.

        A job has ended when its result is there, which needs no question to SLURM. Only what has
        none is looked up, with one query for all jobs, ever more rarely while nothing changes.
        """
        if not self.ready:
            return
        with self.submitting:
            waiting, self.waiting = self.waiting, []
            for submission in waiting:
                self._submit_or_wait(submission)
        tick = min(1.0, max(0.2, self._interval))
        self.next_seconds_between_status_checks = tick + len(active_jobs) / 200
        there = _files(active_jobs)
        unfinished = [info for info in active_jobs if not self._finish_if_done(info, there)]
        fresh = self.is_slurm and bool(unfinished) and self._ask_if_due()
        for info in unfinished:
            if not (fresh and self._finish_if_lost(info)):
                yield info

    def _finish_if_done(self, info: SubmittedJobInfo, there: set[str]) -> bool:
        running = _running(info)
        if self.settings.cluster == "debug":
            failure = running.handle.exception()
            self._finish(info, None if failure is None else str(failure))
        elif running.result in there:
            outcome, value = submitit.core.utils.pickle_load(running.result)
            self._finish(info, None if outcome == "success" else _last_line(value))
        elif self.settings.cluster == "local" and running.handle.done():
            time.sleep(0.2)  # its result may have come between the two looks
            if os.path.exists(running.result):
                return self._finish_if_done(info, {running.result})
            self._finish(info, "its process died")
        else:
            return False
        return True

    def _finish_if_lost(self, info: SubmittedJobInfo) -> bool:
        """End a job that SLURM has said for some time to have ended, and that left no result."""
        running, now = _running(info), time.monotonic()
        seen = self.seen.get(running.id)
        if seen is not None and seen.alive:
            running.ended = None
            if seen.stuck:
                self._tell(
                    f"SLURM job {running.id} ({info.job.name}) is pending and may never start: "
                    f"{seen.stuck} ({seen.reason}).",
                    f"{info.job.name} {seen.reason}",
                )
            return False
        running.ended = now if running.ended is None else running.ended
        # Its result may be late on a shared file system, or SLURM about to requeue it.
        if now - running.ended < max(self.workflow.execution_settings.latency_wait, 5):
            self.pause = self._interval
            return False
        self._finish(info, "it left no result")
        return True

    def _finish(self, info: SubmittedJobInfo, error: str | None) -> None:
        running = _running(info)
        self.running.pop(running.id, None)
        self.pause = self._interval
        if error is None:
            self._forget(running)
            self.report_job_success(info)
            return
        log = running.paths.stdout
        how = f" ({slurm.ending(running.id)})" if self.is_slurm else ""
        place = "SLURM" if self.is_slurm else self.settings.cluster
        message = f"{place} job {running.id}: {error}{how}.\nLog: {log}\n"
        self.report_job_error(info, msg=message + _tail(log))

    def _forget(self, running: Running) -> None:
        """Remove the files of a job that has succeeded, with the last one its folder."""
        for path in running.folder.glob(f"{running.id}_*"):
            path.unlink(missing_ok=True)
        if not any(running.folder.glob("*_submitted.pkl")):
            shutil.rmtree(running.folder, ignore_errors=True)

    def _ask_if_due(self) -> bool:
        """Whether the queue was read now."""
        if time.monotonic() - self.asked < self.pause:
            return False
        jobs = list(self.running)
        before = [self.seen.get(job) for job in jobs]
        answered = self._ask()
        changed = before != [self.seen.get(job) for job in jobs]
        slower = min(1.5 * self.pause, SLOWEST * self._interval)
        self.pause = self._interval if changed else max(self._interval, slower)
        return answered

    def _ask(self) -> bool:
        self.asked = time.monotonic()
        try:
            self.seen = slurm.jobs()
        except slurm.Silent as silent:
            self._tell(f"SLURM does not answer ({silent}). Jobs go on; waiting for it.", "silent")
            return False
        if "silent" in self.told:
            self.told.remove("silent")
            self.logger.info("SLURM answers again.")
        return True

    def _tell(self, message: str, once: str) -> None:
        if once not in self.told:
            self.told.add(once)
            self.logger.warning(message)

    # ------------------------------------------------------------------------------------- cancel

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel everything that was submitted.

        Not ``active_jobs`` only: Snakemake's list is empty while the jobs are looked at.
        """
        self._cancel()

    def _cancel(self) -> None:
        """What could not be cancelled is tried again at the end of the process."""
        self.waiting.clear()
        if not self.running and not self.in_flight:
            return
        try:
            self._cancel_all()
        except slurm.Silent as silent:
            self.logger.error(
                f"SLURM does not answer ({silent}). Jobs may be left: `scancel "
                f"{' '.join(self.running) or '--user=$USER'}` when it does."
            )
        else:
            self.running.clear()
            self.in_flight.clear()

    def _cancel_all(self) -> None:
        if self.is_slurm:
            half = slurm.jobs() if self.in_flight else {}  # taken while sbatch was interrupted
            slurm.cancel([*self.running, *(x for x in half if half[x].comment in self.in_flight)])
        else:
            for running in list(self.running.values()):
                running.handle.cancel()


def _running(info: SubmittedJobInfo) -> Running:
    assert info.aux is not None
    return info.aux["running"]


def _files(jobs: list[SubmittedJobInfo]) -> set[str]:
    """All files of jobs, by a listing of each folder: a look per job costs thirty times as much."""
    found: set[str] = set()
    for folder in {_running(info).folder for info in jobs}:
        with contextlib.suppress(FileNotFoundError):  # removed by hand
            found.update(entry.path for entry in os.scandir(folder))
    return found


def _key(job: Any) -> str:
    """What a job is, in every run of Snakemake: its rule and its outputs."""
    text = "\n".join([job.name, *sorted(map(str, job.output))])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _made_from(job: Any) -> str:
    """What a job is made from: its parameters, and its inputs as they are now."""
    parts = list(job.jobs) if job.is_group() else [job]
    text = [repr(part.params) for part in parts]
    for path in sorted(map(str, job.input)):
        with contextlib.suppress(OSError):
            text.append(f"{path} {os.stat(path).st_mtime_ns}")
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:24]


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].removeprefix("RuntimeError: ")


def _tail(log: Path) -> str:
    if not log.exists():
        return "(There is no log.)\n"
    said, _, _ = log.read_text(errors="replace").partition("submitit ERROR")  # its own traceback
    lines = said.splitlines()[-LINES:]
    return "Its last lines:\n" + "\n".join(f"    {line}" for line in lines) + "\n"
