"""Footnotes of a table: why a cell lacks runs."""

from collections.abc import Mapping

from benchmark.report.numbers import count_noun, letters


class Footnotes:
    """Marks ``[a]``, ``[b]``, ...: one for each distinct reason, naming the runs it holds for."""

    def __init__(self) -> None:
        self._runs: dict[str, list[str]] = {}

    def mark(self, where: str, reasons: Mapping[int, str]) -> str:
        """The marks of ``reasons`` (seed -> reason) with a leading space; empty without any."""
        marks = []
        for reason in dict.fromkeys(reasons.values()):
            seeds = [seed for seed, given in reasons.items() if given == reason]
            named = f"{where}, {count_noun('seed', seeds)}"
            runs = self._runs.setdefault(reason, [])
            runs.extend([named] if named not in runs else [])
            marks.append(letters(list(self._runs).index(reason)))
        return f" [{', '.join(marks)}]" if marks else ""

    def notes(self) -> list[str]:
        """A line for each mark."""
        return [
            f"[{letters(index)}] {'; '.join(runs)}: {reason}."
            for index, (reason, runs) in enumerate(self._runs.items())
        ]
