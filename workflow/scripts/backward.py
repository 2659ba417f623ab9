from pathlib import Path

from benchmark import steps
from benchmark.log import logged
from benchmark.machine import settle

with logged(snakemake.log[0]):
    device = settle(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    steps.backward(
        snakemake.input.data,
        Path(snakemake.output.samples).parent,
        snakemake.params.settings,
        device,
    )
