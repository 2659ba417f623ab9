"""A stopwatch of the work on a device."""

import time

import torch


class Clock:
    """A stopwatch in seconds; it waits for the device when it starts and stops."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0
        self.resume()

    def read(self) -> float:
        """The seconds so far of a running clock, without waiting for the device."""
        return self.seconds + time.perf_counter() - self.started

    def pause(self) -> float:
        """Stop the clock and return the seconds so far."""
        self.seconds += self._now() - self.started
        return self.seconds

    def resume(self) -> None:
        """Start the clock again."""
        self.started = self._now()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
