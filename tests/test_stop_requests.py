"""Requests to stop: met at the next save, and the handlers of before are back at the end."""

import os
import signal
import threading

import pytest

from benchmark.runtime.checkpoint import STOP_SIGNALS, Checkpoint, Interrupted
from tests.test_checkpoint import KEY, STATE, path, same

__all__ = ["path"]  # the fixture

MANY = 1000
"""Requests that a patient cluster sends."""


def ask(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_request_is_met_at_the_next_save(path, number):
    with Checkpoint(path, KEY) as work:
        part = work.part("training")
        assert not part.due()
        ask(number)
        assert part.due()
        with pytest.raises(Interrupted) as caught:
            part.save(STATE)
    message = str(caught.value)
    assert number.name in message and str(path) in message and "same command again" in message
    with Checkpoint(path, KEY) as work:
        assert same(work.part("training").state(), STATE)
        assert not work.due()


def test_an_interruption_is_not_taken_for_an_error():
    assert issubclass(Interrupted, KeyboardInterrupt) and not issubclass(Interrupted, Exception)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_requests_may_be_repeated_and_the_first_is_told(path, number):
    with Checkpoint(path, KEY) as work:
        ask(signal.SIGUSR2)
        for _ in range(MANY):
            ask(number)
        with pytest.raises(Interrupted, match="SIGUSR2"):
            work.part("training").save({})


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN])
def test_a_second_ctrl_c_stops_at_once(path, before):
    # Also where jobs inherit that it is ignored: started with nohup, in the background of a shell.
    original = signal.signal(signal.SIGINT, before)
    try:
        with Checkpoint(path, KEY) as work:
            ask(signal.SIGINT)
            assert work.due()
            with pytest.raises(KeyboardInterrupt) as caught:
                ask(signal.SIGINT)
            assert caught.type is KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, original)


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL, lambda *_: None])
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_handlers_are_those_of_before_at_the_end(path, number, before):
    # A job may inherit that a signal is ignored: it is asked all the same.
    original = signal.signal(number, before)
    try:
        with Checkpoint(path, KEY) as work:
            ask(number)
            assert work.due()
        assert signal.getsignal(number) is before
        with pytest.raises(RuntimeError, match="inside"), Checkpoint(path, KEY):
            raise RuntimeError("inside")
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, original)


def test_a_handler_that_python_does_not_know_becomes_the_default(path, monkeypatch):
    original = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    install = signal.signal
    monkeypatch.setattr(signal, "signal", lambda *new: install(*new) and None)
    try:
        with Checkpoint(path, KEY):
            pass
        assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL
    finally:
        for number, handler in original.items():
            install(number, handler)


def test_work_outside_of_the_main_thread_handles_no_signals(path):
    found = []
    handlers = [signal.getsignal(number) for number in STOP_SIGNALS]

    def work():
        with Checkpoint(path, KEY) as work:
            work.part("training").save(STATE)
            found.extend(signal.getsignal(number) for number in STOP_SIGNALS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == handlers
    with Checkpoint(path, KEY) as work:
        assert same(work.part("training").state(), STATE)
