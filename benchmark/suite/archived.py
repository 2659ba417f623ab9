"""Methods whose finished runs come from an archive, and why an archive does not fit a suite.

What can be known before any job is told here; whether the test rows are the same, bit by bit, is
known once they are prepared (``benchmark.jobs.take``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.archives import index
from benchmark.archives.index import Archive, ArchivedRun, Index, is_address
from benchmark.records.run import Run, suite_folder
from benchmark.suite.suite import Suite

FETCHED = suite_folder("downloads") / "archives"
SUFFIX = ".crate.zip"


@dataclass
class Archives:
    """The archives of the methods of a ``suite``, which is checked for all else.

    ``key`` is the prefix of its keys in messages. ``found`` maps methods to archives, ``problems``
    says what does not fit.
    """

    suite: Suite
    key: str
    found: dict[str, Archive] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        section = self.suite.section
        for name, entry in section.methods.items():
            if entry.results_from is not None:
                where = f"{self.key}methods.{name}.results_from"
                self._take(name, where, self._archive(where, entry.results_from, entry.sha256))
        if section.results_from is not None:
            where = f"{self.key}results_from"
            archive = self._archive(where, section.results_from, None)
            known = {run.method for run in archive.index.runs} if archive.index else set()
            for name, entry in section.methods.items():
                if name in known and entry.results_from is None:
                    self._take(name, where, archive)

    def _archive(self, where: str, given: str, sha256: str | None) -> Archive:
        if is_address(given):
            path = FETCHED / f"{sha256}{SUFFIX}"
            return Archive(str(path), given, sha256, self._index(where, path))
        return Archive(given, None, sha256, self._index(where, Path(given)))

    def _index(self, where: str, path: Path) -> Index | None:
        if not path.exists():  # a file of the user's own that is not there is told already
            return None
        try:
            return index.read(path)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None

    def _take(self, method: str, where: str, archive: Archive) -> None:
        self.found[method] = archive
        if archive.index is not None:
            runs = [run for run in self.suite.runs if run.method == method]
            told = dict.fromkeys(words for run in runs for words in self._misfits(run, archive))
            self.problems += [f"{where}: {archive.path} {words}" for words in told]

    def _misfits(self, run: Run, archive: Archive) -> Iterator[str]:
        assert archive.index is not None
        about = archive.index.find(run.dataset, run.method, run.seed)
        if about is None:
            yield _absent(run, archive.index)
        elif self.suite.is_ours(run.method):
            yield from self._other_config(run, about)
        else:
            yield from self._other_protocol(about)

    def _other_config(self, run: Run, about: ArchivedRun) -> Iterator[str]:
        """What would be made here and there has to be the same, by the hash of the config."""
        where = f"{run.method} on {run.dataset}"
        more = "The entry here has to be that of the archive, or without class, model and train."
        if about.fit != self.suite.train_hash(run):
            yield f"has {where} trained with another config. {more}"
        elif about.evaluation != self.suite.evaluate_hash(run):
            yield f"has {where} evaluated with another config. {more}"

    def _other_protocol(self, about: ArchivedRun) -> Iterator[str]:
        """Where nothing is said of how a method is made, how it was measured has to be the same."""
        section = self.suite.section.evaluation
        for key in ("atol", "rtol"):
            stated, asked = about.protocol.get(key), getattr(section, key)
            if stated is not None and stated != asked:
                yield (
                    f"has {about.method} on {about.dataset} measured with {key} {stated}; the "
                    f"evaluation here has {asked}. Write {stated} there, or train the method here."
                )


def _absent(run: Run, listed: Index) -> str:
    """That a run is not there, with what is."""
    own = [about for about in listed.runs if about.method == run.method]
    seeds = [str(about.seed) for about in own if about.dataset == run.dataset]
    if not own:
        methods = ", ".join(sorted({about.method for about in listed.runs}))
        return f"has no method {run.method}; it has {methods}."
    if not seeds:
        datasets = ", ".join(sorted({about.dataset for about in own}))
        return f"has no run of {run.method} on {run.dataset}; set its 'datasets' to {datasets}."
    return (
        f"has no run of {run.method} on {run.dataset} with seed {run.seed}; set its 'seeds' to "
        f"{', '.join(seeds)}."
    )
