from pathlib import Path

from benchmark import steps
from benchmark.log import logged
from benchmark.machine import settle
from benchmark.records import Run

folder = Path(snakemake.output.search).parent
with logged(snakemake.log[0], folder):
    device = settle(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    steps.search(
        Run(*snakemake.params.run),
        snakemake.params.numbers,
        snakemake.params.settings,
        snakemake.input.data,
        folder,
        device,
    )
