from pathlib import Path

from benchmark.data.prepare import prepare
from benchmark.runtime.log import logged

with logged(snakemake.log[0]):
    prepare(snakemake.params.entry, Path(snakemake.params.downloads), snakemake.output.data)
