"""Checkpoints: whole or absent, refused where they are not those of the work, due by time.

That training and evaluation go on from them as if nothing had been is tested in ``test_resume`` and
``test_resumed_evaluation``.
"""

import hashlib
import io
import math
import os
import random

import numpy as np
import pytest
import torch

from benchmark.files import atomic
from benchmark.runtime import checkpoint
from benchmark.runtime.checkpoint import (
    NO_CHECKPOINT,
    Checkpoint,
    random_states,
    restore_random_states,
)

KEY = {"config": "c1", "source": "s1"}
STATE = {
    "weights": {"w": torch.arange(6.0).reshape(2, 3), "flag": torch.tensor([True, False])},
    "rows": [(1, 0.1 + 0.2, None, {"a": 1e-300})],
    "note": "text",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "train.checkpoint"


@pytest.fixture
def now(monkeypatch):
    """The time, which passes only where a test says so."""
    time = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: time[0])
    return time


def write(path, state=STATE, key=KEY):
    with Checkpoint(path, key) as work:
        work.part("training").save(state)


def same(found, expected):
    if isinstance(expected, torch.Tensor):
        return found.dtype == expected.dtype and torch.equal(found, expected)
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    if isinstance(expected, list | tuple):
        return type(found) is type(expected) and all(map(same, found, expected))
    return found == expected


# --- the file -------------------------------------------------------------------------------------


def test_a_state_comes_back_bit_by_bit(path):
    write(path)
    with Checkpoint(path, KEY) as work:
        assert same(work.part("training").state(), STATE)
        assert work.part("other").state() is None


def test_parts_are_kept_beside_each_other(path):
    with Checkpoint(path, KEY) as work:
        work.part("a").save({"x": 1})
        work.part("b").save({"x": 2})
        work.part("a").save({"x": 3})
    with Checkpoint(path, KEY) as work:
        assert work.part("a").state() == {"x": 3} and work.part("b").state() == {"x": 2}


def test_a_key_may_be_of_any_kind_of_text(path, caplog):
    write(path, key={"torch": torch.__version__})  # a class of its own
    with Checkpoint(path, {"torch": str(torch.__version__)}) as work:
        assert same(work.part("training").state(), STATE)
    assert not caplog.messages


def test_an_order_of_the_key_means_nothing_and_done_work_leaves_nothing(path):
    write(path)
    with Checkpoint(path, dict(reversed(KEY.items()))) as work:
        assert work.part("training").state() is not None
        work.remove()
    assert list(path.parent.iterdir()) == []
    with Checkpoint(path, KEY) as work:
        assert work.part("training").state() is None and work.interruptions == 0


def test_every_interruption_counts_with_or_without_a_state(path):
    for expected in range(3):
        with Checkpoint(path, KEY) as work:
            assert work.interruptions == work.part("training").interruptions == expected
    write(path)
    with Checkpoint(path, KEY) as work:
        assert work.interruptions == 4


def test_devices_are_remembered_in_their_order(path):
    with Checkpoint(path, KEY) as work:
        assert work.visit("a GPU") == "a GPU"
    for told in ("a GPU, then another", "a GPU, then another"):
        with Checkpoint(path, KEY) as work:  # the first was killed before any save
            assert work.visit("another") == told
    with Checkpoint(path, {**KEY, "seed": "of other work"}) as work:
        assert work.visit("another") == "another"


def test_a_failure_is_no_interruption_and_keeps_the_state_that_was_saved(path):
    weights = torch.zeros(3)
    with pytest.raises(FloatingPointError), Checkpoint(path, KEY) as work:
        work.part("training").save({"weights": weights})
        weights.fill_(math.nan)  # saved states are not copies
        raise FloatingPointError("diverged")
    with Checkpoint(path, KEY) as work:
        assert work.interruptions == 0
        assert torch.equal(work.part("training").state()["weights"], torch.zeros(3))


def flip(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


DAMAGES = {
    "flipped in the digest": lambda content: flip(content, 3),
    "flipped line end": lambda content: flip(content, 64),
    "flipped in a tensor": lambda content: flip(content, len(content) // 2),
    "flipped at the end": lambda content: flip(content, len(content) - 1),
    "truncated": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "longer": lambda content: content + b"\0",
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_in_words_and_replaced(path, caplog, damage):
    write(path)
    path.write_bytes(damage(path.read_bytes()))
    with Checkpoint(path, KEY) as work:
        assert work.part("training").state() is None and work.interruptions == 0
        (message,) = caplog.messages
        assert (
            str(path) in message and "damaged" in message and "starts from the beginning" in message
        )
        work.part("training").save({"x": 1})
    with Checkpoint(path, KEY) as work:
        assert work.part("training").state() == {"x": 1} and work.interruptions == 1
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("key", "difference"),
    [
        ({**KEY, "source": "s2"}, "source (found s1, expected s2)."),
        ({**KEY, "torch": "2"}, "torch (found None, expected 2)."),
        ({"config": "c1"}, "source (found s1, expected None)."),
        ({"config": "c2", "source": "s2"}, "config (found c1, expected c2), source (found"),
    ],
)
def test_a_file_of_other_work_is_refused_and_told_apart(path, caplog, key, difference):
    write(path)
    with Checkpoint(path, key) as work:
        assert work.part("training").state() is None and work.interruptions == 0
    (message,) = caplog.messages
    assert str(path) in message and difference in message and "starts from the beginning" in message


class Planted:
    """Runs a command where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_is_run_by_reading_a_file(path, tmp_path, caplog):
    buffer = io.BytesIO()
    states = {"training": Planted(tmp_path / "here")}
    content = {"key": KEY, "interruptions": 0, "devices": [], "states": states}
    torch.save(content, buffer)
    path.parent.mkdir()
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    path.write_bytes(f"{digest}\n".encode() + buffer.getvalue())
    with Checkpoint(path, KEY) as work:
        assert work.part("training").state() is None
    assert not (tmp_path / "here").exists()
    assert "cannot read it" in caplog.text and str(path) in caplog.text


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_save_that_fails_leaves_the_state_before(path, monkeypatch, failure):
    def full(number):
        raise failure

    with Checkpoint(path, KEY) as work:
        work.part("training").save({"x": 1})
        monkeypatch.setattr(checkpoint.os, "fsync", full)
        with pytest.raises(failure):
            work.part("training").save({"x": 2})
        monkeypatch.undo()
    with Checkpoint(path, KEY) as work:
        assert work.part("training").state() == {"x": 1}


def test_the_rest_of_a_killed_save_is_removed(path, monkeypatch):
    write(path)
    (path.parent / ".evaluate.checkpoint.abc").mkdir()
    with pytest.MonkeyPatch.context() as patch:  # a kill comes before any cleaning up
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(RuntimeError), atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError
    assert len(list(path.parent.iterdir())) == 3
    with Checkpoint(path, KEY) as work:
        assert same(work.part("training").state(), STATE)
        assert {found.name for found in path.parent.iterdir()} == {
            "train.checkpoint",
            ".evaluate.checkpoint.abc",  # of other work
        }


# --- when -----------------------------------------------------------------------------------------


def test_a_state_is_due_by_time(path, now):
    with Checkpoint(path, KEY) as work:
        part = work.part("training")
        assert not part.due()
        now[0] += checkpoint.MIN_SAVE_INTERVAL_SECONDS - 1
        assert not part.due()
        now[0] += 1
        assert part.due() and part.due()
        part.save({})
        assert not part.due()


def test_saving_takes_its_share_of_the_time_at_most(path, now, monkeypatch):
    def slow(number):
        now[0] += 3.0

    with Checkpoint(path, KEY) as work:
        monkeypatch.setattr(checkpoint.os, "fsync", slow)
        work.part("training").save({})
        now[0] += 3.0 * 50 - 1
        assert not work.due()
        now[0] += 1
        assert work.due()


def test_what_is_not_kept_is_never_due(now):
    now[0] += 1e9
    assert not NO_CHECKPOINT.due() and NO_CHECKPOINT.state() is None


# --- random generators ----------------------------------------------------------------------------


def draws():
    return [torch.rand(3).tolist(), np.random.rand(3).tolist(), np.random.randn(3).tolist()] + [
        [random.random(), random.gauss(0, 1)]
    ]


def test_generators_go_on_from_a_file(path):
    device = torch.device("cpu")
    np.random.randn(3), random.gauss(0, 1)  # each leaves a second number for the next draw
    write(path, random_states(device))
    expected = draws()
    assert all(found != first for found, first in zip(draws(), expected, strict=True))
    with Checkpoint(path, KEY) as work:
        restore_random_states(work.part("training").state(), device)
    assert draws() == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_generator_of_a_gpu_goes_on_from_a_file(path):
    device = torch.device("cuda")
    write(path, random_states(device))
    expected = torch.rand(5, device=device)
    assert not torch.equal(torch.rand(5, device=device), expected)
    with Checkpoint(path, KEY) as work:
        restore_random_states(work.part("training").state(), device)
    assert torch.equal(torch.rand(5, device=device), expected)
