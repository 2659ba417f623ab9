"""Notes below a table: how its numbers were measured, where, and what sets methods apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmark.records.run import Run
from benchmark.report.labels import Labels, Styles
from benchmark.report.numbers import count_noun
from benchmark.report.ranking import FAR, best, ranked, what

EXACT = f"as every difference from what is exact is more than {FAR:g} times the solver error"


def stated(frame: pd.DataFrame, name: str, styles: Styles) -> str:
    """``key: value`` of a column of the frame; with several values, each names its methods."""
    known = frame.reindex(columns=["method", "value", name]).dropna(subset=[name, "value"])
    values = {
        str(value): [styles[method].label for method in rows.method.unique()]
        for value, rows in known.groupby(name, sort=False)
    }
    if len(values) > 1:
        words = [f"{value} ({', '.join(methods)})" for value, methods in values.items()]
    else:
        words = list(values)
    return f"{name.split('.', 1)[1]}: {', '.join(words)}" if words else ""


def all_stated(frame: pd.DataFrame, names: Sequence[str], styles: Styles) -> str:
    """The values of several columns in words, one column after the other."""
    words = (stated(frame, name, styles) for name in names)
    return "; ".join(word for word in words if word)


def ranks(column: pd.DataFrame, styles: Styles, label: str) -> list[str]:
    """Which methods are ranked where not all are, and what is better than the best of these."""
    return [*_disagreement(column, styles, label), *_better(column, styles, label)]


def _disagreement(column: pd.DataFrame, styles: Styles, label: str) -> list[str]:
    """Learned methods that cannot be compared, and what sets them apart."""
    learned = column[(column.n > 0) & ~column.control]
    protocols = dict(zip(learned.method, learned.protocols, strict=True))
    distinct = {protocol for used in protocols.values() for protocol in used}
    if len(distinct) < 2:
        return []
    shared, names = set.intersection(*map(set, distinct)), ranked(column)
    apart = []
    for method, used in protocols.items():
        own = [item for protocol in used for item in protocol if item not in shared]
        mixed = "seeds differ: " if len(used) > 1 else ""
        apart.append(f"{styles[method].label} ({mixed}{', '.join(own) or 'not stated'})")
    if set(names) == set(protocols):
        return [f"{label}: ranked though protocols differ, {EXACT}: {'; '.join(apart)}."]
    listed = ", ".join(styles[method].label for method in names)
    verdict = f"only {listed} are ranked" if names else "none are ranked"
    return [f"{label}: protocols differ, {verdict}: {'; '.join(apart)}."]


def _better(column: pd.DataFrame, styles: Styles, label: str) -> list[str]:
    """What is better than the best in bold, on the same test rows, and is not ranked."""
    first, names = best(column), ranked(column)
    if first is None:
        return []
    bold = column[column.method == first].iloc[0]
    sign = 1 if bold.direction == "lower" else -1
    others = column[~column.method.isin(names) & (sign * (bold["mean"] - column["mean"]) > 0)]
    same = [what(bold.protocols[0]) in map(what, protocols) for protocols in others.protocols]
    better = ", ".join(styles[method].label for method in others.method[same])
    return [f"{label}: better than the best in bold, but not ranked: {better}."] if better else []


def origins(frame: pd.DataFrame, styles: Styles, labels: Labels) -> list[str]:
    """Commits; a warning where seeds of one column come from different or uncommitted source."""
    columns = ["dataset", "method", "metric", "value"]
    archive = [f"archive.{key}" for key in ("name", "sha256")]
    asked = [f"provenance.{key}" for key in ("commit", "source", "dirty", *archive)]
    frame = frame.reindex(columns=columns + asked).dropna(subset="value")
    commits = [commit[:12] for commit in frame["provenance.commit"].dropna().unique()]
    notes = [f"{count_noun('Commit', commits)}."] if commits else []
    dirty = []
    for (dataset, method), runs in frame.groupby(["dataset", "method"], sort=False):
        where = f"{styles[str(method)].label} on {labels[str(dataset)]}"
        if _mixed(runs):
            hashes = ", ".join(sorted(runs["provenance.source"].dropna().unique()))
            notes.append(f"{where}: seeds come from different versions of the source ({hashes}).")
        if (runs["provenance.dirty"] == "true").any():
            dirty.append(where)
    notes += [f"Uncommitted changes when measured: {'; '.join(dirty)}."] if dirty else []
    return [*notes, *_archives(frame, styles)]


def _archives(frame: pd.DataFrame, styles: Styles) -> list[str]:
    """Methods whose runs come from an archive of finished runs, and what does not compare."""
    asked = {"provenance.archive.name": "name", "provenance.archive.sha256": "sha256"}
    known = frame.reindex(columns=["method", *asked]).rename(columns=asked).dropna()
    return [
        f"Not made here, but taken from {name} (SHA-256 {str(sha256)[:16]}), with their clocks, "
        f"and budgets in seconds, of another machine: "
        f"{', '.join(styles[method].label for method in runs.method.unique())}."
        for (name, sha256), runs in known.groupby(["name", "sha256"], sort=False)
    ]


def kept(results: Mapping[str, Sequence[str]], frame: pd.DataFrame) -> list[str]:
    """Commits at which results of the frame were made that were kept after edits of the code.

    ``results`` maps a commit to files or folders of runs, below the project folder.
    """
    pairs = frame[frame.value.notna()].drop_duplicates(["suite", "dataset", "method", "seed"])
    folders = [
        Run(row["suite"], row["dataset"], row["method"], int(row["seed"])).folder
        for row in pairs.to_dict("records")
    ]
    measurements = set(frame.measurement)
    return [
        f"Kept after edits of the code: results made at commit {commit[:12]}."
        for commit, paths in results.items()
        if any(_shows(Path(path), folder, measurements) for path in paths for folder in folders)
    ]


def _mixed(runs: pd.DataFrame) -> bool:
    """Whether seeds differ in source; other measurements may, as they depend on other files."""
    return bool((runs.groupby("metric")["provenance.source"].nunique() > 1).any())


def _shows(path: Path, folder: Path, measurements: set[str]) -> bool:
    """Whether a kept path is of a run in ``folder``, and of one of the measurements if of any."""
    if path.parent.name == "measurements" and path.is_relative_to(folder):
        return path.name.partition(".")[0] in measurements
    return path.is_relative_to(folder) or folder.is_relative_to(path)
