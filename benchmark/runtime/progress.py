"""Progress of a Snakemake run, with an estimate of the time left."""

import logging
import sys
import time
from collections import Counter, defaultdict
from typing import Any


class Remaining(logging.Handler):
    """Handler of Snakemake's log that prints ``41 of 137 jobs, 2:10 so far, about 4:30 left``.

    The estimate is the sum over rules of (jobs left) x (mean seconds of the jobs done), divided by
    ``cores``. A rule of which no job is done yet counts with the mean over all rules.
    """

    def __init__(self, cores: int, every: float = 10.0) -> None:
        super().__init__()
        self.cores, self.every = cores, every
        self.start = self.last = time.monotonic()
        self.left: Counter[str] = Counter()
        self.rule_of: dict[int, str] = {}
        self.started: dict[int, float] = {}
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", None))
        handler = getattr(self, f"_on_{event}", None)
        if handler is not None:
            handler(record)

    def remaining(self, now: float) -> float | None:
        """Estimated seconds to the end; ``None`` while most jobs left belong to rules of which no
        job is done yet."""
        done = [seconds for times in self.seconds.values() for seconds in times]
        unknown = sum(count for rule, count in self.left.items() if not self.seconds[rule])
        if not done or 2 * unknown > self.left.total():
            return None
        overall = sum(done) / len(done)
        work = sum(count * self._mean(rule, overall) for rule, count in self.left.items())
        spent = sum(
            min(now - since, self._mean(self.rule_of[job], overall))
            for job, since in self.started.items()
        )
        return max(0.0, work - spent) / self.cores

    def _mean(self, rule: str, overall: float) -> float:
        times = self.seconds[rule]
        return sum(times) / len(times) if times else overall

    def _on_run_info(self, record: Any) -> None:
        self.left = Counter({rule: n for rule, n in record.stats.items() if rule != "total"})

    def _on_job_info(self, record: Any) -> None:
        self.rule_of[record.jobid] = record.rule_name

    def _on_job_started(self, record: Any) -> None:
        self.started.update(dict.fromkeys(record.jobs, time.monotonic()))

    def _on_job_finished(self, record: Any) -> None:
        rule = self.rule_of.get(record.job_id, "")
        self.seconds[rule].append(time.monotonic() - self.started.pop(record.job_id, self.start))
        self.left[rule] -= 1

    def _on_progress(self, record: Any) -> None:
        now = time.monotonic()
        if now - self.last < self.every and record.done < record.total:
            return
        self.last = now
        left = self.remaining(now)
        estimate = "" if left is None else f", about {_minutes(left)} left"
        spent = _minutes(now - self.start)
        print(f"{record.done} of {record.total} jobs, {spent} so far{estimate}", file=sys.stderr)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
