from pathlib import Path

from benchmark import steps
from benchmark.log import logged
from benchmark.machine import settle
from benchmark.records import Run

folder = Path(snakemake.output[0]).parent
with logged(snakemake.log[0], folder):
    device = settle(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    numbers = snakemake.params.numbers
    for search in snakemake.input.get("search", []):
        numbers = steps.with_rate(numbers, search)
    getattr(steps, snakemake.params.step)(
        Run(*snakemake.params.run),
        numbers,
        snakemake.params.settings,
        snakemake.input.data,
        folder,
        device,
    )
