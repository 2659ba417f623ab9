from pathlib import Path

from benchmark import quality
from benchmark.log import logged
from benchmark.machine import settle
from benchmark.records import Run

folder = Path(snakemake.output[0]).parent
with logged(snakemake.log[0], folder):
    device = settle(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    getattr(quality, f"write_{snakemake.params.step}")(
        run=Run(*snakemake.params.run),
        data=snakemake.input.data,
        folder=folder,
        device=device,
        **snakemake.params.arguments,
    )
