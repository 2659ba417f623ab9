from pathlib import Path

from benchmark import steps
from benchmark.log import logged

with logged(snakemake.log[0]):
    steps.prepare(snakemake.params.entry, Path(snakemake.params.downloads), snakemake.output.data)
