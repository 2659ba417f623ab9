"""The executor: submits, watches and cancels jobs.

Its files are in one folder per submission, ``.snakemake/submitit/<rule>-<token>/``, which is
removed when all jobs of the submission have succeeded.
"""

import atexit
import contextlib
import os
import shutil
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import submitit
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError

from . import checks, parameters, slurm
from .job import SnakemakeJob
from .leftovers import LeftoverJob, leftover_jobs
from .machine import NO_MACHINE, Share, this_machine
from .queue import Queue
from .running import RunningJob, files_of, running_of
from .settings import CLUSTERS
from .submission import Submission, key, made_from


class Executor(RemoteExecutor):
    """The executor: submits, watches and cancels jobs."""

    ready = False  # Snakemake's polling thread starts before __post_init__

    def __post_init__(self) -> None:
        self.settings = self.workflow.executor_settings
        self.root = Path(".snakemake/submitit").absolute()
        self.running: dict[str, RunningJob] = {}
        self.waiting: list[Submission] = []
        self.leftovers: dict[str, LeftoverJob] | None = None
        self.in_flight: set[str] = set()
        interval = self.workflow.remote_execution_settings.seconds_between_status_checks
        self.queue = Queue(float(interval), self.logger)
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
        checks.check(self.workflow, self.dag.needrun_jobs() if self.is_slurm else ())
        for line in checks.misspelt_rules(self.workflow):
            self.logger.warning(line)

    @property
    def is_slurm(self) -> bool:
        """Whether jobs go to SLURM."""
        return bool(self.settings.cluster == "slurm")

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
            group = job.name + repr(wanted) if self.is_slurm else str(job.jobid)
            new = Submission(job.name, wanted, [], self.root)
            submission = groups.setdefault(group, new)
            submission.jobs.append(job)
            submission.after |= set() if leftover is None else {leftover.id}
        for submission in groups.values():
            self._submit_or_wait(submission)

    def _parameters(self, job: Any) -> dict[str, Any]:
        if not self.is_slurm:
            return {}
        return parameters.of_slurm(job, job.name, self.settings.signal_delay)

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
        if submission.after:
            submission.after &= self.queue.alive()
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
        submission.save()
        work = Path(self.workflow.workdir_init)
        parent = None if self.is_slurm else os.getpid()
        calls = [SnakemakeJob(self._command(job), work, parent) for job in submission.jobs]
        executor = self._submitit(submission, share)
        with executor.batch():
            handles = [executor.submit(call) for call in calls]
        return handles

    def _submitit(self, submission: Submission, share: Share) -> submitit.Executor:
        """Submitit's executor for a submission."""
        executor: submitit.Executor
        folder, settings = submission.folder, self.settings
        if settings.cluster == "slurm":
            executor = submitit.SlurmExecutor(folder, settings.max_timeouts)
            executor.update_parameters(**{**submission.parameters, "comment": submission.token})
        elif settings.cluster == "local":
            executor = submitit.LocalExecutor(folder, settings.max_timeouts)
            delay = settings.signal_delay
            executor.update_parameters(**parameters.of_local(submission.jobs[0], share.gpus, delay))
        else:
            executor = submitit.DebugExecutor(folder)
        return executor

    def _command(self, job: Any) -> str:
        # submitit would join local lines with "&&", and lose the job if `sh` is bash.
        setup = [] if self.is_slurm else parameters.setup_of(job)
        return "\n".join([*setup, self.format_job_exec(job)])

    def _not_submitted(self, submission: Submission, words: str) -> None:
        submission.remove()
        submission.attempt += 1
        too_many = slurm.LIMIT_ERRORS.search(words)
        if too_many and len(submission.jobs) > 1:  # a longer array would never be accepted
            for half in submission.halves():
                self._submit_or_wait(half)
        elif self._may_retry(submission, words):
            pause = 2.0 ** min(submission.attempt, 8)
            self.logger.warning(
                f"SLURM does not accept {submission.name} now ({words}); "
                f"trying again in {pause:.0f} s."
            )
            submission.due = time.monotonic() + pause
            self.waiting.append(submission)
        else:
            for job in submission.jobs:
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
        self.queue.hasten()
        info = SubmittedJobInfo(job, external_jobid=running.id, aux={"running": running})
        self.report_job_submission(info)

    # ------------------------------------------------------------------------------------- attach

    def _leftover_of(self, job: Any) -> LeftoverJob | None:
        """The same job in SLURM's queue, from a Snakemake that was killed or interrupted."""
        if self.leftovers is None:
            read_queue = self.queue.wait if self.is_slurm else dict
            self.leftovers = leftover_jobs(self.root, read_queue)
        return self.leftovers.pop(key(job), None)

    def _attach(self, job: Any, leftover: LeftoverJob) -> bool:
        """Wait for a leftover job if it is the same one; cancel it if its parameters differ."""
        if leftover.ending:
            self.logger.info(
                f"{job.name}: waiting for the end of {leftover.id}, which was cancelled."
            )
            return False
        if leftover.made_from != made_from(job):
            self.logger.info(
                f"{job.name}: {leftover.id} has other parameters or inputs; cancelling it."
            )
            with contextlib.suppress(slurm.NoAnswer):
                slurm.cancel([leftover.id])
            return False
        self.logger.info(f"{job.name}: SLURM still has this job as {leftover.id}; waiting for it.")
        self._watch(job, RunningJob(leftover.id, leftover.folder))
        return True

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
        tick = min(1.0, max(0.2, self.queue.interval))
        self.next_seconds_between_status_checks = tick + len(active_jobs) / 200
        files = files_of(active_jobs)
        unfinished = [info for info in active_jobs if not self._finish_if_done(info, files)]
        fresh = self.is_slurm and bool(unfinished) and self.queue.read_if_due(list(self.running))
        for info in unfinished:
            if not (fresh and self._finish_if_lost(info)):
                yield info

    def _finish_if_done(self, info: SubmittedJobInfo, files: set[str]) -> bool:
        running = running_of(info)
        if self.settings.cluster == "debug":
            failure = running.handle.exception()
            self._finish(info, None if failure is None else str(failure))
        elif running.result in files:
            self._finish(info, running.error())
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
        running, now = running_of(info), time.monotonic()
        if self.queue.is_alive(running.id, info.job.name):
            running.ended = None
            return False
        running.ended = now if running.ended is None else running.ended
        # Its result may be delayed by a shared file system, or SLURM may be about to requeue it.
        if now - running.ended < max(self.workflow.execution_settings.latency_wait, 5):
            self.queue.hasten()
            return False
        self._finish(info, "it left no result")
        return True

    def _finish(self, info: SubmittedJobInfo, error: str | None) -> None:
        running = running_of(info)
        self.running.pop(running.id, None)
        self.queue.hasten()
        if error is None:
            running.remove_files()
            self.report_job_success(info)
            return
        how = f" ({slurm.ending(running.id)})" if self.is_slurm else ""
        place = "SLURM" if self.is_slurm else self.settings.cluster
        message = f"{place} job {running.id}: {error}{how}.\nLog: {running.paths.stdout}\n"
        self.report_job_error(info, msg=message + running.log_tail())

    def print_job_error(self, job_info: SubmittedJobInfo, msg: Any = None, **kwargs: Any) -> None:
        """Say why a job failed, also with ``--quiet rules``, with which Snakemake drops it."""
        super().print_job_error(job_info, msg, **kwargs)
        if any(about.name == "RULES" for about in self.workflow.output_settings.quiet or ()):
            made = ", ".join(map(str, job_info.job.output))
            self.logger.error(f"Error in rule {job_info.job.name} of {made}: {msg}")

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
