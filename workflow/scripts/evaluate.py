from pathlib import Path

import torch

from benchmark import steps
from benchmark.log import logged
from benchmark.memory import keep_freed
from benchmark.records import Run

torch.set_num_threads(snakemake.threads)
keep_freed()
folder = Path(snakemake.output.log_prob).parent
with logged(snakemake.log[0], folder):
    steps.evaluate(
        Run(*snakemake.params.run),
        snakemake.params.numbers,
        snakemake.params.settings,
        snakemake.input.data,
        folder,
    )
