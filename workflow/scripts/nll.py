from pathlib import Path

from benchmark import metrics
from benchmark.log import logged
from benchmark.records import Run

folder = Path(snakemake.output.nll).parent
with logged(snakemake.log[0], folder):
    metrics.write_nll(Run(*snakemake.params.run), snakemake.input.data, folder)
