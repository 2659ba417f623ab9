"""A host of files that answers by its script, what it offers, and a folder that mirrors it."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmark.data.catalogue import Packed, RemoteFile
from benchmark.data.fetch import MIRRORS

CONTENT = b"the rows of a table\n" * 1000
GZ = gzip.compress(CONTENT, mtime=0)
LIE = CONTENT.replace(b"rows", b"lies")


class Host(ThreadingHTTPServer):
    """A host of files that answers each path by its script: one answer per request, last stays."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.requests = Counter()
        self.headers = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        answers = self.server.answers.get(self.path, [404])
        answer = answers[min(self.server.requests[self.path], len(answers) - 1)]
        self.server.requests[self.path] += 1
        self.server.headers.append(self.headers)
        status, body, promised = answer if isinstance(answer, tuple) else (answer, b"", 0)
        self.send_response(status)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def serves(body):
    return 200, body, len(body)


def breaks_off(body):
    return 200, body[: len(body) // 2], len(body)


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content, **more):
    return {"size": len(content), "hash": sha256(content), **more}


def archive_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def host():
    with Host() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The seconds that would have been waited between attempts."""
    waited = []
    monkeypatch.setattr("pooch.core.time.sleep", waited.append)
    monkeypatch.delenv(MIRRORS, raising=False)
    return waited


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads" / "toy" / "table.txt"


@pytest.fixture
def file(host):
    return RemoteFile("toy/table.txt", **described(CONTENT), address=f"{host.address}/table.txt")


@pytest.fixture
def gz_file(file):
    return replace(file, address=f"{file.address}.gz", packed=Packed(**described(GZ)))


def mirror_folder(root, **contents):
    folder = root / "mirror"
    for path, content in contents.items():
        place = folder / "toy" / path.replace("_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return str(folder)


def names_in(folder):
    """Everything in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())
