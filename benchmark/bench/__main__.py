"""Write the tables of ``make bench`` to ``results/bench``, and print them."""

import sys
from typing import Any

import torch

from benchmark.names import load
from benchmark.report.table import write
from benchmark.runtime.machine import configure_process
from benchmark.source import ROOT

PARTS: dict[str, tuple[str, *tuple[Any, ...]]] = {
    "training": ("training.table",),
    "likelihood_6d": ("likelihood.table", 6),
    "likelihood_43d": ("likelihood.table", 43),
    "frechet": ("frechet.table",),
    "images_counted": ("images.counted",),
    "images_timed": ("images.timed",),
}
"""Table -> its function and arguments; imported when its turn comes, with the packages it needs."""

wanted = sys.argv[1:] or list(PARTS)
if unknown := [name for name in wanted if name not in PARTS]:
    sys.exit(f"benchmark.bench: no table is called {unknown[0]}; allowed are {', '.join(PARTS)}.")
configure_process(torch.get_num_threads(), "auto", None)
for name in wanted:
    function, *arguments = PARTS[name]
    stem = ROOT / "results" / "bench" / name
    write(load(f"benchmark.bench.{function}")(*arguments), stem)
    print(stem.with_suffix(".md").read_text())
