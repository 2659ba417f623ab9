from benchmark.report import report
from benchmark.runtime.log import logged
from benchmark.suite import config

with logged(snakemake.log[0]):
    suite = config.load(snakemake.config, snakemake.params.schema)
    getattr(report, f"write_{snakemake.params.part}")(suite, *snakemake.params.arguments)
