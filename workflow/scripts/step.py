from pathlib import Path

from benchmark.jobs import steps
from benchmark.jobs.launch import Step
from benchmark.runtime.log import logged

folder = Path(snakemake.output[0]).parent
resources = snakemake.resources
with logged(snakemake.log[0], folder):
    numbers = snakemake.params.numbers
    for search in snakemake.input.get("search", []):
        numbers = steps.with_rate(numbers, search)
    Step(
        name=snakemake.params.step,
        run=list(snakemake.params.run),
        numbers=numbers,
        settings=snakemake.params.settings,
        data=str(snakemake.input.data),
        folder=str(folder),
        log=str(snakemake.log[0]),
        threads=snakemake.threads,
        device=snakemake.config["device"],
        gpus=resources.get("gpu"),
    ).perform(resources.get("processes"), resources.get("nodes", 1))
