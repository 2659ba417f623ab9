from pathlib import Path

from benchmark.jobs import steps
from benchmark.runtime.log import logged
from benchmark.runtime.machine import configure_process

with logged(snakemake.log[0]):
    device = configure_process(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    steps.density(
        snakemake.input.data,
        Path(snakemake.output.density).parent,
        snakemake.params.settings,
        device,
    )
