from pathlib import Path

from benchmark.log import logged
from benchmark.prepare import prepare

with logged(snakemake.log[0]):
    prepare(snakemake.params.entry, Path(snakemake.params.downloads), snakemake.output.data)
