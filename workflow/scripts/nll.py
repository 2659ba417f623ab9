from pathlib import Path

from benchmark.measure import metrics
from benchmark.records.run import Run
from benchmark.runtime.log import logged

folder = Path(snakemake.output.nll).parent
with logged(snakemake.log[0], folder):
    metrics.write_nll(Run(*snakemake.params.run), snakemake.input.data, folder)
