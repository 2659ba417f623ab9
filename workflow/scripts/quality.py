from pathlib import Path

from benchmark.measure.quality import write_quality
from benchmark.measure.reference import write_classifier, write_reference
from benchmark.records.run import Run
from benchmark.runtime.log import logged
from benchmark.runtime.machine import configure_process

folder = Path(snakemake.output[0]).parent
with logged(snakemake.log[0], folder):
    device = configure_process(snakemake.threads, snakemake.config["device"], snakemake.resources.get("gpu"))
    write = {
        "classifier": write_classifier,
        "reference": write_reference,
        "quality": write_quality,
    }
    write[snakemake.params.step](
        run=Run(*snakemake.params.run),
        data=snakemake.input.data,
        folder=folder,
        device=device,
        **snakemake.params.arguments,
    )
