"""The description of an archive as an RO-Crate 1.2 (https://w3id.org/ro/crate/1.2)."""

import json
import mimetypes
from collections.abc import Mapping, Sequence
from hashlib import sha256

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from benchmark.archives.index import ArchivedRows
from benchmark.records.records import Record

VERSION = "1.2"
UNDATED = "1980-01-01"
ABOUT = (
    "Records, log-densities of the test rows, training curves and further files of finished runs "
    "of a benchmark of continuous-time generative flows."
)
LICENCE = "Of the results: what their authors state. Of the data: see each data set."


def metadata(
    suite: str,
    datasets: Mapping[str, ArchivedRows],
    records: Sequence[Record],
    members: Mapping[str, bytes],
) -> bytes:
    """The text of ``ro-crate-metadata.json``: each member with its size and SHA-256.

    Its date is that of the latest of the ``records``.
    """
    crate = ROCrate(version=VERSION)
    dated = [str(record.provenance["time"]) for record in records if "time" in record.provenance]
    crate.name, crate.description = f"Finished runs of the suite {suite}", ABOUT
    crate.license = LICENCE
    crate.root_dataset["datePublished"] = max(dated, default=UNDATED)
    for name, content in sorted(members.items()):
        crate.add_file(dest_path=name, properties=_file(name, content))
    for name, rows in sorted(datasets.items()):
        entity = ContextEntity(crate, f"#{name}", _dataset(rows))
        crate.root_dataset.append_to("about", crate.add(entity))
    return json.dumps(crate.metadata.generate(), separators=(",", ":")).encode()


def _file(name: str, content: bytes) -> dict[str, str]:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    size = str(len(content))
    return {
        "encodingFormat": kind,
        "contentSize": size,
        "sha256": sha256(content).hexdigest(),
    }


def _dataset(rows: ArchivedRows) -> dict[str, str]:
    return {
        "@type": "Dataset",
        "name": rows.label,
        "identifier": rows.hash,
        "license": rows.licence,
    }
