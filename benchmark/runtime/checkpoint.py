"""Checkpoints: the state of unfinished work in a file, with which it goes on after a kill."""

import contextlib
import hashlib
import io
import logging
import math
import os
import pickle
import random
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from benchmark.files import atomic
from benchmark.runtime import parallel

log = logging.getLogger(__name__)

SECONDS = 60.0
"""Between two saves of a state, at least."""

SHARE = 0.02
"""Of the time, that saving may take at most: states that are slow to save are saved less often."""

REQUESTS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
"""Signals that ask to stop."""


class Interrupted(KeyboardInterrupt):
    """Work that stopped when it was asked to, after its state was saved."""


class Refused(Exception):
    """A file that cannot be gone on from; the message says why."""


class Checkpoint:
    """The state of unfinished work in one file, whole or absent, in named parts.

    ``key`` is all that has to be the same when the work goes on. Of a file that is damaged, or has
    another key, a warning says what is wrong with it, and the work starts anew. The ``with`` block
    reads the file, and counts an interruption in it at once: ``interruptions`` is how often the
    work was cut short so far, kills included. Inside the block each of ``REQUESTS`` asks to stop,
    and the next save raises ``Interrupted``; a second SIGINT stops at once. (Only the main thread
    can handle signals.) Outside the block there is no state, and none is due. Of processes that
    work together the first one reads and writes the file; a request to one of them stops all.

    The file is the SHA-256 in hex of what follows its first line: ``torch.save`` of tensors,
    numbers, strings, lists, tuples and dictionaries, from which no class is unpickled.
    """

    def __init__(self, path: Path, key: Mapping[str, str]) -> None:
        self.path, self.interruptions = path, 0
        self.key = {name: str(value) for name, value in key.items()}  # torch's version is no str
        self.devices: list[str] = []
        self._states: dict[str, dict[str, Any]] = {}
        self._asked: signal.Signals | None = None
        self._saved, self._took = math.inf, 0.0
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Checkpoint":
        if parallel.is_first():
            self._open()
        kept = parallel.of_first(lambda: (self.interruptions, self.devices, self._states))
        self.interruptions, self.devices, self._states = kept
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._ask) for number in REQUESTS}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if kind is not None and issubclass(kind, Exception) and parallel.is_first():
            # A failure is no interruption, and opening the file again counts one.
            with contextlib.suppress(OSError, Refused):
                self._states = _read(self.path)["states"]  # those in memory have gone on
                self.interruptions -= 1
                self._write()

    def visit(self, device: str) -> str:
        """Note that the work goes on on ``device``; all that it has been on, in words."""
        if device not in self.devices:
            self.devices.append(device)
            self._write()
        return ", then ".join(self.devices)

    def part(self, name: str) -> "Part":
        """The part of the state that has this name."""
        return Part(self, name)

    def state(self, name: str) -> dict[str, Any] | None:
        """What was saved last of a part."""
        return self._states.get(name)

    def due(self) -> bool:
        """Whether it is time to save, by the clock or by a request to stop."""
        waited = time.monotonic() - self._saved
        late = waited >= max(SECONDS, self._took / SHARE)
        return parallel.is_any(self._asked is not None or late)

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Write a part, and the others as they were saved; raises ``Interrupted`` if asked to.

        ``state`` is not copied: a later save of another part writes what it is by then.
        """
        self._states[name] = state
        self._write()
        asked = [number for number in parallel.of_each(self._asked) if number is not None]
        if asked:
            raise Interrupted(
                f"Stopped by {asked[0].name}; the state is in {self.path}. "
                f"Call the same command again to go on."
            )

    def remove(self) -> None:
        """The work is done: no file is left."""
        if parallel.is_first():
            self.path.unlink(missing_ok=True)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = self._asked or signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(number, self._handlers[signal.SIGINT] or signal.SIG_DFL)

    def _open(self) -> None:
        """Take up what an earlier process left, and count its interruption in the file at once."""
        for left in self.path.parent.glob(f".{self.path.name}.*"):  # a kill during a write
            shutil.rmtree(left, ignore_errors=True)
        if self.path.exists():
            self._take_up()
        self._write()

    def _take_up(self) -> None:
        try:
            content = _read(self.path)
            self._compare(content["key"])
        except Refused as why:
            log.warning("%s is not used: %s. The work starts anew.", self.path, why)
        else:
            self.interruptions = content["interruptions"] + 1
            self.devices = content["devices"]
            self._states = content["states"]

    def _compare(self, found: dict[str, str]) -> None:
        names = sorted(
            name for name in {*found, *self.key} if found.get(name) != self.key.get(name)
        )
        if names:
            differences = [
                f"{name} (found {found.get(name)}, expected {self.key.get(name)})" for name in names
            ]
            raise Refused(f"it is of other work, which differs in {', '.join(differences)}")

    def _write(self) -> None:
        if not parallel.is_first():
            return
        started, buffer = time.monotonic(), io.BytesIO()
        content = {
            **{"key": self.key, "interruptions": self.interruptions, "devices": self.devices},
            "states": self._states,
        }
        torch.save(content, buffer)
        digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
        with atomic(self.path) as temporary, temporary.open("wb") as file:
            file.write(f"{digest}\n".encode())
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())  # a node may die right after the renaming
        self._saved = time.monotonic()
        self._took = self._saved - started


@dataclass(frozen=True)
class Part:
    """One of the parts of a checkpoint, for the work whose state it holds."""

    checkpoint: Checkpoint
    name: str

    @property
    def interruptions(self) -> int:
        """How often the work was interrupted so far."""
        return self.checkpoint.interruptions

    def state(self) -> dict[str, Any] | None:
        """What was saved of it; ``None`` of work that has to start."""
        return self.checkpoint.state(self.name)

    def due(self) -> bool:
        """Whether it is time to save; cheap enough to be asked at every step."""
        return self.checkpoint.due()

    def save(self, state: dict[str, Any]) -> None:
        """See ``Checkpoint.save``."""
        self.checkpoint.save(self.name, state)


NOT_KEPT = Checkpoint(Path(), {}).part("")
"""For work that starts anew each time: never due."""


def _read(path: Path) -> dict[str, Any]:
    digest, _, payload = path.read_bytes().partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise Refused("it is damaged, its content does not have the SHA-256 in its first line")
    try:
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise Refused(f"torch {torch.__version__} cannot read it without its classes") from error


def random_states(device: torch.device) -> dict[str, Any]:
    """States of all global generators: torch's, its one on ``device``, numpy's and Python's."""
    drawn: Any = np.random.get_state()
    kind, keys, *rest = drawn
    return {
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [kind, keys.tolist(), *rest],
        "python": random.getstate(),
    }


def restore_random_states(states: Mapping[str, Any], device: torch.device) -> None:
    """Let the generators go on from ``random_states(device)``."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["device"], device)
    np.random.set_state(tuple(states["numpy"]))
    random.setstate(states["python"])
