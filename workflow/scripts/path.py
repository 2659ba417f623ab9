from pathlib import Path

import torch

from benchmark import steps
from benchmark.log import logged
from benchmark.memory import keep_freed

torch.set_num_threads(snakemake.threads)
keep_freed()
with logged(snakemake.log[0]):
    steps.path(
        snakemake.input.data,
        Path(snakemake.output.path).parent,
        snakemake.params.settings,
    )
