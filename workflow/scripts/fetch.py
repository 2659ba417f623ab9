import logging
from pathlib import Path

from benchmark.data.fetch import fetch, mirrors, remote_file

logging.basicConfig(filename=snakemake.log[0], level=logging.INFO)
file = remote_file(snakemake.wildcards.path)
# Read here, not passed as params: other mirrors do not make fetched files out of date.
fetch(file, Path(snakemake.output.file), mirrors(snakemake.config["mirrors"]))
