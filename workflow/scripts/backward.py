from pathlib import Path

from benchmark.jobs import steps
from benchmark.runtime.log import logged
from benchmark.runtime.machine import configure_process

with logged(snakemake.log[0]):
    device = configure_process(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    steps.backward(
        snakemake.input.data,
        Path(snakemake.output.samples).parent,
        snakemake.params.settings,
        device,
    )
