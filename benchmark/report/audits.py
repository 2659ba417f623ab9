"""What audits say of log-densities: which are too high, or bounds, and of which nothing is told.

An audit has a mass (``audit_mass``), which is 1 of a density, and an excess (``audit_excess``) of
minus the mean log-density of samples over their entropy, which is 0 up to a bias: it is the KL
divergence of the samples from the density, less the logarithm of its mass.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmark.records.records import CLEAR, NLL
from benchmark.report.labels import Labels, Styles

MASS, EXCESS, BIAS = "audit_mass", "audit_excess", "audit_bias"

Row = dict[Any, Any]


def withheld(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame of ``metrics`` without the NLL and KL of log-densities of too much mass.

    They are above those of any density, and have that reason. A mass below 1 is that of a bound,
    whose NLL flatters no method, and stays.
    """
    frame = frame.copy()
    for row in _rows(frame, MASS):
        if _off(row, 1.0) > 0:
            own = (frame.dataset == row["dataset"]) & (frame.method == row["method"])
            own &= (frame.seed == row["seed"]) & frame.metric.isin([NLL, "kl"])
            frame.loc[own & frame.value.notna(), "reason"] = _mass(row)
            frame.loc[own, ["value", "standard_error"]] = float("nan")
    return frame


def marks(frame: pd.DataFrame, dataset: str) -> dict[str, dict[int, str]]:
    """Method -> seed -> what is wrong with its log-densities on a data set, by its audit."""
    own, wrong = frame[frame.dataset == dataset], dict[str, dict[int, str]]()
    biases = {(row["method"], row["seed"]): row["value"] for row in _rows(own, BIAS)}
    for row in _rows(own, MASS):
        if _off(row, 1.0):
            wrong.setdefault(row["method"], {})[row["seed"]] = _mass(row)
    for row in _rows(own, EXCESS):
        method, seed = row["method"], row["seed"]
        if _off(row, 0.0, biases.get((method, seed), 0.0)):
            before = wrong.setdefault(method, {}).get(seed)
            wrong[method][seed] = f"{before}; {_excess(row)}" if before else _excess(row)
    return wrong


def notes(frame: pd.DataFrame, styles: Styles, labels: Labels) -> list[str]:
    """Of which methods an audit found nothing wrong, and of which it cannot tell."""
    lines = []
    for dataset, label in labels.items():
        own, wrong = frame[frame.dataset == dataset], marks(frame, dataset)
        for metric, what in ((MASS, "mass"), (EXCESS, "mean log-density of samples")):
            rows = own[own.metric == metric]
            known = rows[rows.value.notna() & ~rows.method.isin(list(wrong))]
            lines += _listed(f"{label}: audit, {what}: nothing wrong found", known, styles)
            for reason, untold in rows[rows.value.isna()].groupby("reason", sort=False):
                lines += _listed(f"{label}: audit, {what}: {reason}", untold, styles)
    return lines


def _listed(words: str, rows: pd.DataFrame, styles: Styles) -> list[str]:
    names: Sequence[str] = [styles[str(name)].label for name in rows.method.unique()]
    return [f"{words} ({', '.join(names)})."] if names else []


def _rows(frame: pd.DataFrame, metric: str) -> list[Row]:
    known = frame[(frame.metric == metric) & frame.value.notna()]
    return known.to_dict("records")


def _off(row: Row, right: float, bias: float = 0.0) -> float:
    """The difference from what is right, with its sign; 0 where its errors explain it."""
    difference, error = row["value"] - right, row["standard_error"]
    return difference if abs(difference) > CLEAR * error + bias else 0.0


def _mass(row: Row) -> str:
    number = f"its density has a mass of {row['value']:.3g} ± {row['standard_error']:.1g}"
    high = row["value"] > 1
    return f"{number}: {'too high' if high else 'a bound, or far from all data in part'}"


def _excess(row: Row) -> str:
    size = f"{abs(row['value']):.2g} ± {row['standard_error']:.1g} nats"
    high = row["value"] < 0
    why = "above minus their entropy: too high" if high else "below minus their entropy: a bound"
    other = "" if high else ", or samples of another density"
    return f"the mean log-density of its samples is {size} {why}{other}"
