"""Published results: the NLL that papers report, and how surely it is known."""

import csv
from dataclasses import dataclass
from functools import cache

from benchmark.source import ROOT

FILE = ROOT / "benchmark" / "baselines" / "published" / "results.csv"

LABELS = {
    "interpolant": "Interpolant",
    "ffjord": "FFJORD",
    "ot_flow": "OT-Flow",
    "score_sde": "Score-SDE",
    "nsf": "Neural spline flow",
    "made": "MADE",
    "real_nvp": "Real NVP",
    "glow": "Glow",
    "cpf": "CP-Flow",
    "ddpm": "DDPM",
    "ddpm_pp": "DDPM++",
    "vdm": "VDM",
    "soft_truncation": "Soft truncation",
    "score_flow": "ScoreFlow",
}
"""Names in tables of the methods of the file."""

UPPER_BOUNDS = ("ddpm", "ddpm_pp", "vdm")
"""Methods whose published NLL is an upper bound."""


@dataclass(frozen=True)
class Published:
    """A test NLL; ``status`` is that of the README beside the file."""

    value: float
    unit: str
    status: str
    source: str


@cache
def nll() -> dict[str, dict[str, Published]]:
    """Data set -> method -> published NLL."""
    found: dict[str, dict[str, Published]] = {}
    with FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == "nll":
                value = Published(float(row["value"]), row["unit"], row["status"], row["source"])
                found.setdefault(row["dataset"], {})[row["method"]] = value
    return found
