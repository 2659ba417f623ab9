"""Published results: the NLL and the FID that papers report, and how surely they are known."""

import csv
from collections.abc import Iterable
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

MARKS = {"primary": "", "secondary": "*", "unverified": "?"}
"""Status of a published number -> what follows it."""

STATUS = {
    "primary": "No mark: read in the authors' own paper or repository.",
    "secondary": "*: read in texts that quote the paper, not in the paper.",
    "unverified": "?: recollected, seen in no source.",
}

UPPER_BOUNDS = ("ddpm", "ddpm_pp", "vdm")
"""Methods whose published NLL is an upper bound."""


@dataclass(frozen=True)
class Published:
    """A test NLL, or an FID; ``status`` is that of the README beside the file."""

    value: float
    unit: str
    status: str
    source: str


def explained(statuses: Iterable[str]) -> str:
    """The meaning of the marks of numbers with these statuses."""
    known = set(statuses)
    return " ".join(text for status, text in STATUS.items() if status in known)


@cache
def results(metric: str) -> dict[str, dict[str, Published]]:
    """Data set -> method -> published ``nll`` or ``fid``."""
    by_dataset: dict[str, dict[str, Published]] = {}
    with FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == metric:
                value = Published(float(row["value"]), row["unit"], row["status"], row["source"])
                by_dataset.setdefault(row["dataset"], {})[row["method"]] = value
    return by_dataset


def has_published(method: str, name: str) -> bool:
    """Whether a method, or the one it varies, has an NLL on the published data set ``name``."""
    return varied(method) in results("nll")[name]


def varied(method: str) -> str:
    """The method of a variant (``interpolant`` of ``interpolant-fourier``); else the method."""
    return method.partition("-")[0]
