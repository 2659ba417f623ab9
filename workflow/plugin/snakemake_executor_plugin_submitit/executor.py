"""The executor: submits, watches and cancels jobs.

Its files are in one folder per submission, ``.snakemake/submitit/<rule>-<token>/``, which is
removed when all jobs of the submission have succeeded.
"""

import atexit
import contextlib
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import submitit
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError

from . import checks, parameters, slurm
from .advice import advice
from .job import IDLE_STARTS, SnakemakeJob, Watched
from .jobs import Jobs
from .leftovers import Leftovers
from .machine import NO_MACHINE, Share, this_machine
from .queue import Queue
from .running import RunningJob, files_of, running_of
from .sbatch import TOO_MANY, Sbatch, call_in, is_outage, options_of, overruling
from .submission import Submission
from .submitter import Submitter

MAX_PAUSE_SECONDS = 256
"""Longest pause between two attempts at a submission; the first is 2 s."""


class Executor(RemoteExecutor):
    """The executor: submits, watches and cancels jobs."""

    ready = False  # Snakemake's polling thread starts before __post_init__

    def __post_init__(self) -> None:
        self.settings = self.workflow.executor_settings
        self.root = Path(".snakemake/submitit").absolute()
        self.jobs = Jobs(self.is_slurm, self.logger)
        self.hidden: set[str] = set()
        interval = self.workflow.remote_execution_settings.seconds_between_status_checks
        self.queue = Queue(float(interval), self.logger)
        read_queue = self.queue.wait if self.is_slurm else dict
        self.leftovers = Leftovers(self.root, read_queue, self.logger)
        self._check()
        self.machine = this_machine() if self.settings.cluster == "local" else NO_MACHINE
        # Jobs must not join an allocation in which Snakemake itself may run.
        if "SLURM_JOB_ID" in os.environ:
            for name in [name for name in os.environ if name.startswith("SLURM_")]:
                if name != "SLURM_CONF":
                    del os.environ[name]
        self.submitter = Submitter(
            self._attempt, lambda error: self.workflow.scheduler.executor_error_callback(error)
        )
        atexit.register(self._cancel)  # a second Ctrl-C interrupts Snakemake's own cleanup
        self.ready = True

    def _check(self) -> None:
        checks.check_cluster(self.settings.cluster)
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
            leftover = self.leftovers.of(job)
            if leftover and (running := self.leftovers.attached(job, leftover)):
                self._watch(job, running)
                continue
            wanted = self._parameters(job)
            group = job.name + repr(wanted) if self.is_slurm else str(job.jobid)
            new = Submission(job.name, wanted, [], self.root)
            submission = groups.setdefault(group, new)
            submission.jobs.append(job)
            submission.after |= {(leftover.id, leftover.folder.name)} if leftover else set()
        for submission in groups.values():
            self.submitter.add(submission)

    def _parameters(self, job: Any) -> dict[str, Any]:
        delay = self.settings.signal_delay
        return parameters.of_slurm(job, job.name, delay) if self.is_slurm else {}

    def _attempt(self, submission: Submission) -> bool:
        """Submit, unless it is not due or this machine has no free share for it."""
        share = self._share(submission.jobs[0])
        if share is None or not self._is_due(submission):
            return False
        self._submit(submission, share)
        return True

    def _is_due(self, submission: Submission) -> bool:
        """Whether its pause is over, and the jobs it waits for have left the queue."""
        if submission.after:
            submission.after &= self.queue.alive()
        return not submission.after and submission.due <= time.monotonic()

    def _submit(self, submission: Submission, share: Share) -> None:
        """Submit; a temporary failure leads to another attempt, any other to an error."""
        self.jobs.in_flight[submission.token] = submission
        try:
            handles = self._submitted(submission, share)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            self._not_submitted(submission, str(error).strip())
            return
        running = [RunningJob(one.job_id, submission.folder, one, share) for one in handles]
        for job, one in zip(submission.jobs, running, strict=True):
            self._watch(job, one)
        self.logger.info(submission.told(running))
        self.jobs.in_flight.pop(submission.token, None)

    def _share(self, job: Any) -> Share | None:
        """The share of this machine for a job; ``None`` while it has to wait."""
        others = [running.share for running in list(self.jobs.running.values())]
        return self.machine.share(parameters.cpus_of(job), parameters.gpus_of(job), others)

    def _submitted(self, submission: Submission, share: Share) -> list[Any]:
        """Submit through submitit; its job objects."""
        submission.save()
        work = Path(self.workflow.workdir_init)
        parent = None if self.is_slurm else os.getpid()
        calls = [
            SnakemakeJob(self._command(job), work, parent, Watched.of(job))
            for job in submission.jobs
        ]
        executor = self._submitit(submission, share)
        with executor.batch():
            handles = [executor.submit(call) for call in calls]
        return handles

    def _submitit(self, submission: Submission, share: Share) -> submitit.Executor:
        """Submitit's executor for a submission."""
        executor: submitit.Executor
        folder, settings = submission.folder, self.settings
        if settings.cluster == "slurm":
            executor = Sbatch(folder, settings.max_timeouts)
            executor.update_parameters(**submission.parameters)
            self._tell_hidden(submission.parameters)
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

    def _tell_hidden(self, wanted: dict[str, Any]) -> None:
        """Say once which variables of the environment do not count beside the profile."""
        hidden = set(overruling(options_of(wanted), os.environ)) - self.hidden
        if hidden:
            self.hidden |= hidden
            names = ", ".join(f"{name}={os.environ[name]}" for name in sorted(hidden))
            self.logger.warning(
                f"{names} of the environment: not used, since the profile, the rule or the "
                "executor sets the same. Write in the profile what you want."
            )

    def _not_submitted(self, submission: Submission, words: str) -> None:
        if self.submitter.stopped and "submission failed" not in words:
            return  # sbatch was interrupted: SLURM may have the jobs
        call = call_in(submission.folder)
        submission.remove()
        self.jobs.in_flight.pop(submission.token, None)
        submission.attempt += 1
        if TOO_MANY.search(words) and len(submission.jobs) > 1:  # might be too long for ever
            for half in submission.halves():
                self.submitter.add(half)
        elif self._may_retry(submission, words):
            self._retry(submission, words)
        else:
            for job in submission.jobs:
                reason = f"sbatch refused the job: {' '.join(words.split())}"
                self._fail(SubmittedJobInfo(job), reason, f"The call: {call}\n")

    def _may_retry(self, submission: Submission, words: str) -> bool:
        """Whether another attempt may succeed: an outage ends, and so do the jobs of a limit."""
        left = bool(self.jobs.running) or submission.attempt <= self.settings.submit_retries
        return is_outage(words) or bool(TOO_MANY.search(words) and left)

    def _retry(self, submission: Submission, words: str) -> None:
        pause = min(2**submission.attempt, MAX_PAUSE_SECONDS)
        if words != submission.words:
            self.logger.warning(
                f"SLURM does not accept {submission.name} now ({words}); trying again in {pause} s "
                f"and, with longer pauses, at least every {MAX_PAUSE_SECONDS} s."
            )
        submission.words, submission.due = words, time.monotonic() + pause
        self.submitter.add(submission)

    def _watch(self, job: Any, running: RunningJob) -> None:
        self.jobs.running[running.id] = running
        self.queue.hasten()
        info = SubmittedJobInfo(job, external_jobid=running.id, aux={"running": running})
        self.report_job_submission(info)

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
        tick = min(1.0, max(0.2, self.queue.interval))
        self.next_seconds_between_status_checks = tick + len(active_jobs) / 200
        files = files_of(active_jobs)
        unfinished = [info for info in active_jobs if not self._finish_if_done(info, files)]
        fresh = (
            self.is_slurm and bool(unfinished) and self.queue.read_if_due(list(self.jobs.running))
        )
        for info in unfinished:
            if not (fresh and self._finish_if_lost(info)):
                yield info

    def _finish_if_done(self, info: SubmittedJobInfo, files: set[str]) -> bool:
        running = running_of(info)
        if running.idle in files and not running.idle_told:
            self._tell_idle(info)
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
        if self.queue.is_alive(running.id, running.token, info.job.name):
            running.ended = None
            return False
        running.ended = now if running.ended is None else running.ended
        # Its result may be delayed by a shared file system, or SLURM may be about to requeue it.
        if now - running.ended < max(self.workflow.execution_settings.latency_wait, 5):
            self.queue.hasten()
            return False
        self._finish(info, "it left no result")
        return True

    def _tell_idle(self, info: SubmittedJobInfo) -> None:
        running = running_of(info)
        running.idle_told = True
        self.logger.warning(
            f"{info.job.name}, job {running.id}: stopped at its time limit (or preempted) "
            f"{IDLE_STARTS} times in a row before it saved anything beside its outputs and logs. "
            f"If it makes no progress, raise runtime, {parameters.runtime_of(info.job)} min now. "
            f"Log: {running.paths.stdout}"
        )

    def _finish(self, info: SubmittedJobInfo, error: str | None) -> None:
        running = running_of(info)
        self.jobs.running.pop(running.id, None)
        self.queue.hasten()
        self.submitter.wake()
        if error is None:
            running.remove_files(self.settings.keep_logs)
            self.report_job_success(info)
            return
        end = slurm.ending(running.id, running.token) if self.is_slurm else slurm.Ending("", "")
        if end.state == "PREEMPTED" and not os.path.exists(running.result):
            self._submit_again(info)
            return
        place = "SLURM" if self.is_slurm else self.settings.cluster
        reason = f"{place} job {running.id}: {error}" + (f" ({end.words})" if end.words else "")
        todo = advice(end.state, error, running.log(), info.job)
        details = f"Log: {running.paths.stdout}\n{running.log_tail()}"
        self._fail(info, f"{reason}; {todo}" if todo else reason, details)

    def _submit_again(self, info: SubmittedJobInfo) -> None:
        """Submit a job again that SLURM preempted and did not requeue: that is no failure."""
        job, running = info.job, running_of(info)
        self.logger.info(
            f"{job.name}: {running.id} was preempted and cancelled; submitting it again."
        )
        running.remove_files(self.settings.keep_logs)
        self.submitter.add(Submission(job.name, self._parameters(job), [job], self.root))

    def _fail(self, info: SubmittedJobInfo, reason: str, details: str) -> None:
        """Report a failed job, and write the reason into its own logs, where its reader looks."""
        for path in info.job.log:
            with contextlib.suppress(OSError), open(path, "a") as log:
                log.write(f"submitit: {reason}\n")
        self.report_job_error(info, msg=f"{reason}.\n{details}")

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
        self.submitter.stop()
        if not self.jobs:
            self.logger.info("No job of this run is left in the queue.")
        self.jobs.cancel()

    def _cancel(self) -> None:
        """At the exit: what is left if a second Ctrl-C, or a silent SLURM, stopped the first."""
        self.submitter.stop()
        self.jobs.cancel()
