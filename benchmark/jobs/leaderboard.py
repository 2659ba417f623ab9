"""Writes the metrics of a suite in the form that leaderboards read, a file per method and data set.

``python -m benchmark.jobs.leaderboard SUITE`` writes ``leaderboard/<dataset>/<method>.yaml`` in the
folder of the suite: the ``model-index`` of the model cards of Hugging Face
(https://huggingface.co/docs/hub/model-cards), with means over the seeds.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import yaml

from benchmark.data.description import describe
from benchmark.files import atomic
from benchmark.jobs.command import suite_named
from benchmark.records.records import COST
from benchmark.records.run import data_folder, metrics_file, suite_folder
from benchmark.report import collected
from benchmark.report.asked import Suite
from benchmark.report.frame import summary, unit

TASK = {"type": "density-estimation", "name": "Density estimation"}


def cards(suite: Suite, frame: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Data set, method and content of each file; ``frame`` is that of ``metrics``."""
    headings = frame.dropna(subset="heading").drop_duplicates("metric").set_index("metric").heading
    for (dataset, method), rows in summary(frame).groupby(["dataset", "method"], sort=False):
        metrics, missing = [], {}
        for row in rows.to_dict("records"):
            name, metric = str(dataset), str(row["metric"])
            if row["n"]:
                what = {"type": metric, "name": str(headings.get(metric, metric))}
                about = _about(suite, row, unit(frame, name, metric))
                metrics.append({**what, "value": float(row["mean"]), "args": about})
            elif row["reasons"]:
                missing[metric] = "; ".join(dict.fromkeys(row["reasons"].values()))
        yield str(dataset), str(method), _card(suite, (str(dataset), str(method)), metrics, missing)


def _card(
    suite: Suite,
    pair: tuple[str, str],
    metrics: list[dict[str, Any]],
    missing: Mapping[str, str],
) -> dict[str, Any]:
    dataset, method = pair
    rows = describe(data_folder(suite.name, dataset)).hash
    label = suite.datasets[dataset].label
    about = {"type": dataset, "name": label, "split": "test", "revision": rows}
    result = {"task": TASK, "dataset": about, "metrics": metrics}
    named = {"name": suite.methods[method].label, "results": [result]}
    return {"model-index": [named], **({"missing": dict(missing)} if missing else {})}


def _about(suite: Suite, row: Mapping[Any, Any], of: str) -> dict[str, Any]:
    """What a mean is: its unit, spread, number of refits, and how it was measured."""
    known = {
        "unit": of,
        "better": row["direction"],
        "refits": int(row["n"]),
        "of": int(row["runs"]),
        "sd": float(row["sd"]),
        "standard_error": float(row["standard_error"]),
        "protocol": " | ".join("; ".join(protocol) for protocol in row["protocols"]),
        "control": bool(row["control"]),
    }
    elsewhere = row["measurement"] == COST and row["method"] in suite.archives
    return {
        **{key: value for key, value in known.items() if value == value and value != ""},
        **({"clock": "another machine"} if elsewhere else {}),
    }


def main(name: str, config: str = "config.yaml") -> None:
    """Write the files of a suite of a config file; ends with the reason where that cannot be."""
    suite = suite_named(name, config)
    if not metrics_file(name).exists():
        sys.exit(f"{metrics_file(name)} is not there: run the suite {name} first.")
    folder = suite_folder(name) / "leaderboard"
    for dataset, method, content in cards(suite, collected.read(suite)):
        with atomic(folder / dataset / f"{method}.yaml") as temporary:
            temporary.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    print(f"{folder}/<data set>/<method>.yaml")


if __name__ == "__main__":
    main(*sys.argv[1:])
