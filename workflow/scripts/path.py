from pathlib import Path

from benchmark.jobs import steps
from benchmark.runtime.log import logged
from benchmark.runtime.machine import settle

with logged(snakemake.log[0]):
    device = settle(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    steps.path(
        snakemake.input.data,
        Path(snakemake.output.path).parent,
        snakemake.params.settings,
        device,
    )
