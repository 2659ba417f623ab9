"""The jobs that fetch a file or a folder of the catalogue, and an archive of finished runs."""

import logging
from pathlib import Path

from benchmark.data import fetch as downloads
from benchmark.data.catalogue import RemoteFile, remote_file


def fetch(name: str, output: Path, mirrors: list[str]) -> None:
    """Bring the file that the catalogue calls ``name`` to ``output``."""
    logging.basicConfig(level=logging.INFO)
    downloads.fetch(remote_file(name), output, downloads.mirrors(mirrors))


def fetch_archive(address: str, sha256: str, output: Path, mirrors: list[str]) -> None:
    """Bring the archive at ``address`` to ``output``; a mirror has it in ``archives``."""
    logging.basicConfig(level=logging.INFO)
    place = f"{output.parent.name}/{output.name}"
    file = RemoteFile(place, None, f"sha256:{sha256}", address)
    downloads.fetch(file, output, downloads.mirrors(mirrors))
