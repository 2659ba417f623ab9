"""Fair clocks: contestants that take turns, so that what disturbs one disturbs all."""

import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

from tqdm import tqdm

SHORTEST = 0.3
"""Seconds that a turn lasts at least: a contestant is run as often as that takes."""


class Rounds:
    """Seconds per call of each contestant, one sample a round, and its last result."""

    def __init__(self, contestants: Mapping[str, Callable[[], Any]], count: int) -> None:
        self.results: dict[str, Any] = {}
        self.seconds: dict[str, list[float]] = {name: [] for name in contestants}
        repeats = {name: self._warmed_up(name, run) for name, run in contestants.items()}
        for name in tqdm(list(self._turns(contestants, count)), unit="turn"):
            started = time.perf_counter()
            for _ in range(repeats[name]):
                contestants[name]()
            self.seconds[name].append((time.perf_counter() - started) / repeats[name])

    def median(self, name: str) -> float:
        """Seconds per call."""
        return median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """How many times as long one contestant takes as another, the median of the rounds."""
        pairs = zip(self.seconds[name], self.seconds[to], strict=True)
        return median(own / other for own, other in pairs)

    def _warmed_up(self, name: str, run: Callable[[], Any]) -> int:
        """Calls that a turn takes, from the second call; a long first one is warm enough."""
        for _ in range(2):
            started = time.perf_counter()
            self.results[name] = run()
            seconds = time.perf_counter() - started
            if seconds > SHORTEST:
                return 1
        return max(1, round(SHORTEST / seconds))

    @staticmethod
    def _turns(contestants: Mapping[str, Any], count: int) -> Iterator[str]:
        """Every other round backward, so that no one is always the neighbour of another."""
        names = list(contestants)
        for number in range(count):
            yield from names if number % 2 == 0 else reversed(names)
