"""Checkpoints: the state of unfinished work in a file, from which it resumes after a kill."""

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

MIN_SAVE_INTERVAL_SECONDS = 60.0
"""Shortest time between two saves of a state."""

MAX_SAVING_FRACTION = 0.02
"""Largest fraction of the time spent on saving: what is slow to save is saved less often."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)
"""Signals that request a stop."""


class Interrupted(KeyboardInterrupt):
    """A requested stop, after the state was saved."""


class UnusableCheckpoint(Exception):
    """A file that work cannot be resumed from; the message says why."""


class Checkpoint:
    """The state of unfinished work in one file, whole or absent, in named parts.

    ``key`` is everything that must be the same for the work to resume. If the file is damaged or
    has another key, a warning says why, and the work starts from the beginning. The ``with`` block
    reads the file and immediately counts an interruption in it: ``interruptions`` is how often the
    work was cut short so far, kills included. Inside the block each of ``STOP_SIGNALS`` requests a
    stop, and the next save raises ``Interrupted``; a second SIGINT stops immediately. (Only the
    main thread can handle signals.) Outside the block there is no state, and no save is due. Among
    the ranks of a group, rank 0 reads and writes the file, and a request to any rank stops all.

    The first line of the file is the SHA-256, in hex, of the rest: ``torch.save`` of tensors,
    numbers, strings, lists, tuples and dictionaries, from which no class is unpickled.
    """

    def __init__(self, path: Path, key: Mapping[str, str]) -> None:
        self.path, self.interruptions = path, 0
        self.key = {name: str(value) for name, value in key.items()}  # torch's version is no str
        self.devices: list[str] = []
        self._states: dict[str, dict[str, Any]] = {}
        self._requested: signal.Signals | None = None
        self._saved_at, self._save_seconds = math.inf, 0.0
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Checkpoint":
        if parallel.is_first():
            self._open()
        progress = parallel.from_first(lambda: (self.interruptions, self.devices, self._states))
        self.interruptions, self.devices, self._states = progress
        if threading.current_thread() is threading.main_thread():
            self._handlers = {
                number: signal.signal(number, self._on_stop) for number in STOP_SIGNALS
            }
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if kind is not None and issubclass(kind, Exception) and parallel.is_first():
            # A failure is no interruption, and opening the file again counts one.
            with contextlib.suppress(OSError, UnusableCheckpoint):
                self._states = _read(self.path)["states"]  # those in memory have changed since
                self.interruptions -= 1
                self._write()

    def visit(self, device: str) -> str:
        """Record the device of this attempt; all devices used so far, in words."""
        if device not in self.devices:
            self.devices.append(device)
            self._write()
        return ", then ".join(self.devices)

    def part(self, name: str) -> "Part":
        """The part of the state called ``name``."""
        return Part(self, name)

    def state(self, name: str) -> dict[str, Any] | None:
        """The state of a part when it was last saved."""
        return self._states.get(name)

    def due(self) -> bool:
        """Whether it is time to save, because of the clock or a request to stop."""
        waited = time.monotonic() - self._saved_at
        interval = max(MIN_SAVE_INTERVAL_SECONDS, self._save_seconds / MAX_SAVING_FRACTION)
        return parallel.is_any(self._requested is not None or waited >= interval)

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Write a part, and the others as last saved; raises ``Interrupted`` if a stop was
        requested.

        ``state`` is not copied: a later save of another part writes its values at that time.
        """
        self._states[name] = state
        self._write()
        requests = [number for number in parallel.gather(self._requested) if number is not None]
        if requests:
            raise Interrupted(
                f"Stopped by {requests[0].name}; the state is in {self.path}. "
                f"Run the same command again to resume."
            )

    def remove(self) -> None:
        """Delete the file of work that is done."""
        if parallel.is_first():
            self.path.unlink(missing_ok=True)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._requested = self._requested or signal.Signals(number)
        if number == signal.SIGINT:
            before = self._handlers[signal.SIGINT]
            # Started in the background, a job inherits that SIGINT is ignored; sent, it is meant.
            signal.signal(number, before if callable(before) else signal.default_int_handler)

    def _open(self) -> None:
        """Load the state of an earlier process, and count its interruption in the file."""
        for leftover in self.path.parent.glob(f".{self.path.name}.*"):  # from a kill while writing
            shutil.rmtree(leftover, ignore_errors=True)
        if self.path.exists():
            self._load()
        self._write()

    def _load(self) -> None:
        try:
            content = _read(self.path)
            self._compare(content["key"])
        except UnusableCheckpoint as why:
            log.warning("%s is not used: %s. The work starts from the beginning.", self.path, why)
        else:
            self.interruptions = content["interruptions"] + 1
            self.devices = content["devices"]
            self._states = content["states"]

    def _compare(self, stored: dict[str, str]) -> None:
        names = sorted(
            name for name in {*stored, *self.key} if stored.get(name) != self.key.get(name)
        )
        if names:
            differences = [
                f"{name} (found {stored.get(name)}, expected {self.key.get(name)})"
                for name in names
            ]
            raise UnusableCheckpoint(
                f"it belongs to other work, which differs in {', '.join(differences)}"
            )

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
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - started


@dataclass(frozen=True)
class Part:
    """A part of a checkpoint, as seen by the work whose state it holds."""

    checkpoint: Checkpoint
    name: str

    @property
    def interruptions(self) -> int:
        """Number of interruptions of the work so far."""
        return self.checkpoint.interruptions

    def state(self) -> dict[str, Any] | None:
        """The state that was saved; ``None`` for work that has to start."""
        return self.checkpoint.state(self.name)

    def due(self) -> bool:
        """Whether it is time to save; cheap enough to be called at every step."""
        return self.checkpoint.due()

    def save(self, state: dict[str, Any]) -> None:
        """Write the state of this part; see ``Checkpoint.save``."""
        self.checkpoint.save(self.name, state)


NO_CHECKPOINT = Checkpoint(Path(), {}).part("")
"""A part for work that is never saved: no save is due."""


def _read(path: Path) -> dict[str, Any]:
    digest, _, payload = path.read_bytes().partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise UnusableCheckpoint(
            "it is damaged: its content does not have the SHA-256 given in its first line"
        )
    try:
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise UnusableCheckpoint(
            f"torch {torch.__version__} cannot read it without unpickling classes"
        ) from error


def random_states(device: torch.device) -> dict[str, Any]:
    """States of all global generators: torch's on the CPU and on ``device``, numpy's, Python's."""
    numpy_state: Any = np.random.get_state()
    kind, keys, *rest = numpy_state
    return {
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [kind, keys.tolist(), *rest],
        "python": random.getstate(),
    }


def restore_random_states(states: Mapping[str, Any], device: torch.device) -> None:
    """Restore the generator states of ``random_states(device)``."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["device"], device)
    np.random.set_state(tuple(states["numpy"]))
    random.setstate(states["python"])
