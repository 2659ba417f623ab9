"""When SLURM's queue is read again, by a clock that the test moves."""

import logging
from itertools import pairwise
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_submitit import queue
from snakemake_executor_plugin_submitit.slurm import JobStatus


class Clock:
    """A queue, and the times at which it was read."""

    def __init__(self, monkeypatch):
        self.now, self.reads, self.state = 0.0, [], "PENDING"
        monkeypatch.setattr(queue, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(queue.slurm, "jobs", self.jobs)
        self.queue = queue.Queue(10.0, logging.getLogger())

    def jobs(self):
        self.reads.append(self.now)
        return {"1": JobStatus(self.state, "Priority", "token")}

    def wait(self, seconds):
        """The pauses between reads in this time."""
        self.reads.clear()
        for _ in range(seconds):
            self.queue.read_if_due(["1"])
            self.now += 1
        return [late - early for early, late in pairwise(self.reads)]


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_queue_that_does_not_change_is_read_ever_more_rarely_up_to_an_eighth(clock):
    pauses = clock.wait(1000)
    assert pauses[:2] == [10, 15] and pauses == sorted(pauses)
    assert set(pauses[-3:]) == {80}


def test_after_a_change_it_is_read_often_again(clock):
    clock.wait(1000)
    clock.state = "RUNNING"
    assert clock.wait(200)[:2] == [10, 15]
    clock.wait(1000)
    clock.queue.hasten()
    assert clock.wait(30)[0] == 15  # read at once, and nothing has changed


def test_a_job_with_another_token_is_not_ours(clock):
    clock.wait(1)
    assert clock.queue.is_alive("1", "token", "rule")
    assert not clock.queue.is_alive("1", "another", "rule")
    assert clock.queue.alive() == {("1", "token")}
