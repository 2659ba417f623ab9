"""Write the tables of ``make bench`` to ``results/bench``, and print them."""

import sys
from collections.abc import Callable

import torch

from benchmark.bench import frechet, images, likelihood, training
from benchmark.machine import settle
from benchmark.source import ROOT
from benchmark.table import Table, write

PARTS: dict[str, Callable[[], Table]] = {
    "training": training.table,
    "likelihood_6d": lambda: likelihood.table(6),
    "likelihood_43d": lambda: likelihood.table(43),
    "frechet": frechet.table,
    "images_counted": images.counted,
    "images_timed": images.timed,
}

settle(torch.get_num_threads(), "auto", None)
for name in sys.argv[1:] or PARTS:
    stem = ROOT / "results" / "bench" / name
    write(PARTS[name](), stem)
    print(stem.with_suffix(".md").read_text())
