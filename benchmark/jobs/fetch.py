"""The job that fetches a file, or a folder, of the catalogue."""

import logging
from pathlib import Path

from benchmark.data import fetch as downloads
from benchmark.data.catalogue import remote_file


def fetch(name: str, output: Path, mirrors: list[str]) -> None:
    """Bring the file that the catalogue calls ``name`` to ``output``."""
    logging.basicConfig(level=logging.INFO)
    downloads.fetch(remote_file(name), output, downloads.mirrors(mirrors))
