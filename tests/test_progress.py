"""The estimate of what remains, on a run whose every event is made up."""

import logging

import pytest

from benchmark.runtime import progress
from benchmark.runtime.progress import Remaining


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def say(clock):
    """Logs an event, as Snakemake does, after so many seconds."""
    logger = logging.Logger("snakemake")

    def say(event, wait=0.0, **fields):
        clock.now += wait
        logger.info("", extra={"event": event, **fields})

    say.to = logger.addHandler
    return say


def test_estimate_by_hand(say, clock):
    remaining = Remaining(cores=2)
    say.to(remaining)
    say("run_info", stats={"train": 4, "score": 2, "total": 6})
    assert remaining.remaining(clock.now) is None  # nothing is known yet
    for job in (1, 2, 3):
        say("job_info", jobid=job, rule_name="train")
    say("job_started", jobs=[1, 2])
    say("job_finished", wait=10, job_id=1)
    say("job_started", jobs=[3])
    say("job_finished", wait=10, job_id=2)
    # Trainings took 10 and 20 s: the third, 10 s old, has 5 s left, the fourth 15 s; two scores, of
    # which none is known, take the mean of all, 15 s each. Two cores share 50 s.
    assert remaining.remaining(clock.now) == pytest.approx(50 / 2)
    # At 18 s it is late: it counts as about to end, not as a gain for the others.
    clock.now += 8
    assert remaining.remaining(clock.now) == pytest.approx(45 / 2)
    say("job_finished", job_id=3)
    say("job_info", jobid=4, rule_name="score")
    say("job_started", jobs=[4])
    say("job_finished", wait=4, job_id=4)
    # One training is left and takes the mean of 10, 20 and 18 s; one score, what the other took.
    assert remaining.remaining(clock.now) == pytest.approx((16 + 4) / 2)


def test_no_estimate_while_most_rules_are_unknown(say, clock):
    remaining = Remaining(cores=1)
    say.to(remaining)
    say("run_info", stats={"prepare": 2, "train": 1, "score": 1, "total": 4})
    say("job_info", jobid=1, rule_name="prepare")
    say("job_started", jobs=[1])
    say("job_finished", wait=1, job_id=1)
    assert remaining.remaining(clock.now) is None


def test_line(say, capsys):
    say.to(Remaining(cores=1, every=10.0))
    say("run_info", stats={"train": 4, "total": 4})
    for job in (1, 2, 3, 4):
        say("job_info", jobid=job, rule_name="train")
        say("job_started", jobs=[job])
        say("job_finished", wait=70 if job == 1 else 5, job_id=job)
        say("progress", done=job, total=4)
    # 70 s, then 70 and 5 s; the third comes 5 s after a line and is kept back; the last is not.
    assert capsys.readouterr().err.splitlines() == [
        "1 of 4 jobs, 1:10 so far, about 3:30 left",
        "3 of 4 jobs, 1:20 so far, about 0:26 left",
        "4 of 4 jobs, 1:25 so far, about 0:00 left",
    ]


def test_other_messages_are_left_alone(say, capsys):
    say.to(Remaining(cores=1))
    say("shellcmd", cmd="true")
    say(None)
    assert capsys.readouterr() == ("", "")


def test_events_are_those_of_snakemake():
    from snakemake_interface_logger_plugins.common import LogEvent

    heard = [name.removeprefix("_on_") for name in vars(Remaining) if name.startswith("_on_")]
    assert len(heard) == 5 and set(heard) <= {str(event) for event in LogEvent}
