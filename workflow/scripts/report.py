from benchmark import config, report
from benchmark.log import logged

with logged(snakemake.log[0]):
    suite = config.load(snakemake.config, snakemake.params.schema)
    getattr(report, f"write_{snakemake.params.part}")(suite, *snakemake.params.arguments)
