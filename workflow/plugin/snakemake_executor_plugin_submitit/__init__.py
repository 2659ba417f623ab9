"""A Snakemake executor that submits jobs through submitit: to SLURM, or as local processes.

See ``workflow/plugin/README.md``. The files of the executor are in one folder per submission,
``.snakemake/submitit/<rule>-<token>/``: the list of its jobs, submitit's files and the logs. The
token is also the comment of the SLURM jobs, so that SLURM's queue itself shows which jobs are ours,
even after Snakemake was killed. The folder is removed when all jobs of a submission have succeeded.
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
from .machine import NO_MACHINE, NO_SHARE, Share, this_machine

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

MAX_INTERVAL_FACTOR = 8
"""Longest time between two queries of SLURM while nothing changes, in intervals of the setting."""

LOG_RETENTION_SECONDS = 10 * 24 * 3600
"""Time for which the logs of failed jobs are kept."""

NO_ANSWER = "no answer"
"""Subject of the warning that SLURM does not answer."""

LOG_TAIL_LINES = 25
"""Number of lines of a failed job's log that are shown."""


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
        50, "How often a job that reached its time limit resumes in the same SLURM job."
    )
    submit_retries: Optional[int] = _setting(  # noqa: UP045
        10, "How often a submission that fails temporarily is tried again, with doubling pauses."
    )


@dataclass
class Submission:
    """Jobs of one rule with the same resources: a single job, or a job array."""

    name: str
    parameters: dict[str, Any]
    jobs: list[Any]
    folder: Path
    attempt: int = 0
    due: float = 0.0
    after: set[str] = field(default_factory=set)
    """SLURM jobs that have to leave the queue first, because they write the same files."""

    @property
    def token(self) -> str:
        """The mark of the submission in SLURM's queue."""
        return self.folder.name


class LeftoverJob(NamedTuple):
    """A job of an earlier Snakemake that is still in SLURM's queue."""

    id: str
    folder: Path
    made_from: str
    ending: bool


@dataclass
class RunningJob:
    """A submitted job: its SLURM id, or its process and share of this machine.

    ``ended`` is the time at which SLURM first reported its end.
    """

    id: str
    folder: Path
    handle: Any = None
    share: Share = NO_SHARE
    ended: float | None = None

    @property
    def paths(self) -> JobPaths:
        """Paths of submitit's files of the job."""
        return JobPaths(self.folder, self.id, 0)

    @cached_property
    def result(self) -> str:
        """Path of its result."""
        return str(self.paths.result_pickle)


class Executor(RemoteExecutor):
    """The executor: submits, watches and cancels jobs."""

    ready = False  # Snakemake's polling thread starts before __post_init__

    def __post_init__(self) -> None:
        self.settings = self.workflow.executor_settings
        self.root = Path(".snakemake/submitit").absolute()
        self.running: dict[str, RunningJob] = {}
        self.waiting: list[Submission] = []
        self.leftovers: dict[str, LeftoverJob] | None = None
        self.statuses: dict[str, slurm.JobStatus] = {}
        self.warned: set[str] = set()
        self.in_flight: set[str] = set()
        self.asked_at, self.pause = -math.inf, self._interval
        self.submitting = threading.RLock()  # by Snakemake's scheduler, and by its polling thread
        self._check()
        self.machine = this_machine() if self.settings.cluster == "local" else NO_MACHINE
        # Jobs must not join an allocation in which Snakemake itself may run.
        if "SLURM_JOB_ID" in os.environ:
            for name in [name for name in os.environ if name.startswith("SLURM_")]:
                if name != "SLURM_CONF":
                    del os.environ[name]
        atexit.register(self._cancel)  # a second Ctrl-C interrupts Snakemake's own cleanup
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
        """Submit jobs; those of one rule with the same resources become one array."""
        groups: dict[str, Submission] = {}
        for job in jobs:
            self.run_job_pre(job)
            leftover = self._leftover_of(job)
            if leftover is not None and self._attach(job, leftover):
                continue
            wanted = self._parameters(job)
            key = job.name + repr(wanted) if self.is_slurm else str(job.jobid)
            submission = groups.setdefault(key, self._submission(job.name, [], wanted))
            submission.jobs.append(job)
            submission.after |= set() if leftover is None else {leftover.id}
        for submission in groups.values():
            self._submit_or_wait(submission)

    def _parameters(self, job: Any) -> dict[str, Any]:
        if not self.is_slurm:
            return {}
        return parameters.of_slurm(job, job.name, self.settings.signal_delay)

    def _submission(self, name: str, jobs: list[Any], wanted: dict[str, Any]) -> Submission:
        return Submission(name, wanted, jobs, self.root / f"{name}-{uuid.uuid4().hex[:12]}")

    def _submit_or_wait(self, submission: Submission) -> None:
        """Submit now, or later if it is not due or this machine has no free share for it."""
        with self.submitting:
            share = self._share(submission.jobs[0])
            if share is not None and self._is_due(submission):
                self._submit(submission, share)
            else:
                self.waiting.append(submission)

    def _is_due(self, submission: Submission) -> bool:
        """Whether its pause is over, and the jobs it waits for have left the queue."""
        if submission.after and time.monotonic() - self.asked_at >= self._interval:
            self._query()
        submission.after &= {job for job, status in self.statuses.items() if status.alive}
        return not submission.after and submission.due <= time.monotonic()

    def _submit(self, submission: Submission, share: Share) -> None:
        """Submit; a temporary failure leads to another attempt, any other to an error."""
        self.in_flight.add(submission.token)
        try:
            handles = self._submitted(submission, share)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            self.in_flight.discard(submission.token)
            self._not_submitted(submission, str(error).strip())
            return
        first, last = handles[0].job_id, handles[-1].job_id
        ids = first if first == last else f"{first} to {last}"
        self.logger.info(
            f"Submitted {len(handles)} of {submission.name} as {ids}, logs in {submission.folder}"
        )
        for job, handle in zip(submission.jobs, handles, strict=True):
            self._watch(job, RunningJob(handle.job_id, submission.folder, handle, share))
        self.in_flight.discard(submission.token)

    def _share(self, job: Any) -> Share | None:
        """The share of this machine for a job; ``None`` while it has to wait."""
        others = [running.share for running in list(self.running.values())]
        return self.machine.share(parameters.cpus_of(job), parameters.gpus_of(job), others)

    def _submitted(self, submission: Submission, share: Share) -> list[Any]:
        """Submit through submitit; its job objects."""
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
        # submitit would join local lines with "&&", and lose the job if `sh` is bash.
        setup = [] if self.is_slurm else parameters.setup_of(job)
        return "\n".join([*setup, self.format_job_exec(job)])

    def _not_submitted(self, submission: Submission, words: str) -> None:
        jobs, wanted = submission.jobs, submission.parameters
        shutil.rmtree(submission.folder, ignore_errors=True)
        submission.attempt += 1
        too_many = slurm.LIMIT_ERRORS.search(words)
        if too_many and len(jobs) > 1:  # an array beyond the limit would never be accepted
            for part in (jobs[: len(jobs) // 2], jobs[len(jobs) // 2 :]):
                self._submit_or_wait(self._submission(submission.name, part, wanted))
        elif self._may_retry(submission, words):
            pause = 2.0 ** min(submission.attempt, 8)
            self.logger.warning(
                f"SLURM does not accept {submission.name} now ({words}); "
                f"trying again in {pause:.0f} s."
            )
            submission.due = time.monotonic() + pause
            self.waiting.append(submission)
        else:
            for job in jobs:
                self.report_job_error(
                    SubmittedJobInfo(job), msg=f"sbatch refused the job: {words}\n"
                )

    def _may_retry(self, submission: Submission, words: str) -> bool:
        """Whether another attempt may succeed; a submit limit lifts as our own jobs end."""
        too_many, transient = slurm.LIMIT_ERRORS.search(words), slurm.TRANSIENT_ERRORS.search(words)
        attempts_left = submission.attempt <= self.settings.submit_retries
        return bool(too_many and self.running) or bool((too_many or transient) and attempts_left)

    def _watch(self, job: Any, running: RunningJob) -> None:
        self.running[running.id] = running
        self.pause = self._interval
        info = SubmittedJobInfo(job, external_jobid=running.id, aux={"running": running})
        self.report_job_submission(info)

    # ------------------------------------------------------------------------------------- attach

    def _leftover_of(self, job: Any) -> LeftoverJob | None:
        """The same job in SLURM's queue, from a Snakemake that was killed or interrupted."""
        if self.leftovers is None:
            self.leftovers = self._leftover_jobs()
        return self.leftovers.pop(_key(job), None)

    def _attach(self, job: Any, leftover: LeftoverJob) -> bool:
        """Wait for a leftover job if it is the same one; cancel it if its parameters differ."""
        if leftover.ending:
            self.logger.info(
                f"{job.name}: waiting for the end of {leftover.id}, which was cancelled."
            )
            return False
        if leftover.made_from != _made_from(job):
            self.logger.info(
                f"{job.name}: {leftover.id} has other parameters or inputs; cancelling it."
            )
            with contextlib.suppress(slurm.NoAnswer):
                slurm.cancel([leftover.id])
            return False
        self.logger.info(f"{job.name}: SLURM still has this job as {leftover.id}; waiting for it.")
        self._watch(job, RunningJob(leftover.id, leftover.folder))
        return True

    def _leftover_jobs(self) -> dict[str, LeftoverJob]:
        """Jobs of earlier Snakemakes in this folder that are still in SLURM's queue, by their key.

        Old files of other jobs, logs of failed ones, are removed.
        """
        folders = {path.parent.name: path.parent for path in self.root.glob("*/jobs.json")}
        leftovers: dict[str, LeftoverJob] = {}
        queue = self._queue() if folders and self.is_slurm else {}
        for number, status in queue.items():
            if status.alive and status.comment in folders:
                folder = folders[status.comment]
                jobs = json.loads((folder / "jobs.json").read_text())
                key, made_from = jobs[int(number.partition("_")[2] or 0)]
                ending = status.state == "COMPLETING"
                leftovers[key] = LeftoverJob(number, folder, made_from, ending)
        live = {leftover.folder for leftover in leftovers.values()}
        for folder in folders.values():
            if folder not in live and time.time() - folder.stat().st_mtime > LOG_RETENTION_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        return leftovers

    def _queue(self) -> dict[str, slurm.JobStatus]:
        """SLURM's queue, waiting for an answer: without it a job might be submitted twice."""
        while not self._query():
            time.sleep(max(1.0, self._interval))
        return self.statuses

    # -------------------------------------------------------------------------------------- watch

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report jobs that have ended; yield those that have not.

        A job has ended when its result file exists, for which SLURM need not be queried. Only jobs
        without a result are looked up, with one query for all, less often while nothing changes.
        """
        if not self.ready:
            return
        with self.submitting:
            waiting, self.waiting = self.waiting, []
            for submission in waiting:
                self._submit_or_wait(submission)
        tick = min(1.0, max(0.2, self._interval))
        self.next_seconds_between_status_checks = tick + len(active_jobs) / 200
        files = _files(active_jobs)
        unfinished = [info for info in active_jobs if not self._finish_if_done(info, files)]
        fresh = self.is_slurm and bool(unfinished) and self._query_if_due()
        for info in unfinished:
            if not (fresh and self._finish_if_lost(info)):
                yield info

    def _finish_if_done(self, info: SubmittedJobInfo, files: set[str]) -> bool:
        running = _running(info)
        if self.settings.cluster == "debug":
            failure = running.handle.exception()
            self._finish(info, None if failure is None else str(failure))
        elif running.result in files:
            outcome, value = submitit.core.utils.pickle_load(running.result)
            self._finish(info, None if outcome == "success" else _last_line(value))
        elif self.settings.cluster == "local" and running.handle.done():
            time.sleep(0.2)  # its result may have appeared between the two checks
            if os.path.exists(running.result):
                return self._finish_if_done(info, {running.result})
            self._finish(info, "its process died")
        else:
            return False
        return True

    def _finish_if_lost(self, info: SubmittedJobInfo) -> bool:
        """Finish a job that SLURM has reported as ended for some time, and that left no result."""
        running, now = _running(info), time.monotonic()
        status = self.statuses.get(running.id)
        if status is not None and status.alive:
            running.ended = None
            if status.stuck:
                self._warn_once(
                    f"SLURM job {running.id} ({info.job.name}) is pending and may never start: "
                    f"{status.stuck} ({status.reason}).",
                    f"{info.job.name} {status.reason}",
                )
            return False
        running.ended = now if running.ended is None else running.ended
        # Its result may be delayed by a shared file system, or SLURM may be about to requeue it.
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

    def _forget(self, running: RunningJob) -> None:
        """Remove the files of a job that has succeeded, and its folder after the last job."""
        for path in running.folder.glob(f"{running.id}_*"):
            path.unlink(missing_ok=True)
        if not any(running.folder.glob("*_submitted.pkl")):
            shutil.rmtree(running.folder, ignore_errors=True)

    def _query_if_due(self) -> bool:
        """Query the queue if the pause is over; whether it was read."""
        if time.monotonic() - self.asked_at < self.pause:
            return False
        jobs = list(self.running)
        before = [self.statuses.get(job) for job in jobs]
        answered = self._query()
        changed = before != [self.statuses.get(job) for job in jobs]
        slower = min(1.5 * self.pause, MAX_INTERVAL_FACTOR * self._interval)
        self.pause = self._interval if changed else max(self._interval, slower)
        return answered

    def _query(self) -> bool:
        self.asked_at = time.monotonic()
        try:
            self.statuses = slurm.jobs()
        except slurm.NoAnswer as error:
            self._warn_once(f"SLURM does not answer ({error}). Jobs continue; waiting.", NO_ANSWER)
            return False
        if NO_ANSWER in self.warned:
            self.warned.remove(NO_ANSWER)
            self.logger.info("SLURM answers again.")
        return True

    def _warn_once(self, message: str, subject: str) -> None:
        if subject not in self.warned:
            self.warned.add(subject)
            self.logger.warning(message)

    # ------------------------------------------------------------------------------------- cancel

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel everything that was submitted.

        Not only ``active_jobs``: Snakemake's list is empty while jobs are being checked.
        """
        self._cancel()

    def _cancel(self) -> None:
        """Cancel all jobs; if SLURM does not answer, the exit handler tries again."""
        self.waiting.clear()
        if not self.running and not self.in_flight:
            return
        try:
            self._cancel_all()
        except slurm.NoAnswer as error:
            self.logger.error(
                f"SLURM does not answer ({error}). Jobs may be left: `scancel "
                f"{' '.join(self.running) or '--user=$USER'}` when it does."
            )
        else:
            self.running.clear()
            self.in_flight.clear()

    def _cancel_all(self) -> None:
        if self.is_slurm:
            queue = slurm.jobs() if self.in_flight else {}  # submitted as sbatch was interrupted
            slurm.cancel([*self.running, *(x for x in queue if queue[x].comment in self.in_flight)])
        else:
            for running in list(self.running.values()):
                running.handle.cancel()


def _running(info: SubmittedJobInfo) -> RunningJob:
    assert info.aux is not None
    return info.aux["running"]


def _files(jobs: list[SubmittedJobInfo]) -> set[str]:
    """All files of jobs, by listing each folder: a check per job takes thirty times as long."""
    files: set[str] = set()
    for folder in {_running(info).folder for info in jobs}:
        with contextlib.suppress(FileNotFoundError):  # removed by hand
            files.update(entry.path for entry in os.scandir(folder))
    return files


def _key(job: Any) -> str:
    """Identity of a job across runs of Snakemake: its rule and its outputs."""
    text = "\n".join([job.name, *sorted(map(str, job.output))])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _made_from(job: Any) -> str:
    """Digest of a job's parameters and of the current state of its inputs."""
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
    output, _, _ = log.read_text(errors="replace").partition("submitit ERROR")  # its own traceback
    lines = output.splitlines()[-LOG_TAIL_LINES:]
    return "Its last lines:\n" + "\n".join(f"    {line}" for line in lines) + "\n"
