import gzip
import hashlib
import io
import re
import tarfile
import threading
import zipfile
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmark.data import fetch as module
from benchmark.data.catalogue import Packed, RemoteFile
from benchmark.data.fetch import FetchError, fetch
from benchmark.source import modules_of

CONTENT = b"the rows of a table\n" * 1000
GZ = gzip.compress(CONTENT, mtime=0)
LIE = CONTENT.replace(b"rows", b"lies")
DEAD = "http://127.0.0.1:9"


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
    monkeypatch.delenv(module.MIRRORS, raising=False)
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


def members(file, host, archive, name):
    """Two files of one archive."""
    packed = Packed(**described(archive, member="deep/table.txt"))
    first = replace(file, address=f"{host.address}/{name}", packed=packed)
    content = CONTENT[::-1]
    other = replace(
        first,
        path="toy/other.txt",
        **described(content),
        packed=replace(packed, member="deep/other.txt"),
    )
    return first, other


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


def test_official_address(file, target, host):
    host.answers["/table.txt"] = [serves(CONTENT)]
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["table.txt"]
    assert target.stat().st_mode & 0o044 == 0o044  # colleagues on a cluster can read it


def test_progress_is_shown_on_stderr(file, target, host, capfd):
    host.answers["/table.txt"] = [serves(CONTENT)]
    fetch(file, target)
    out, err = capfd.readouterr()
    assert out == ""
    assert "100%" in err


def test_transient_failures_are_retried_with_back_off(file, target, host, pauses):
    host.answers["/table.txt"] = [500, 503, serves(CONTENT)]
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert pauses == [1, 2]


def test_a_broken_off_download_is_retried(file, target, host, pauses):
    host.answers["/table.txt"] = [breaks_off(CONTENT), serves(CONTENT)]
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert pauses == [1]


def test_a_download_damaged_on_the_way_is_retried(file, target, host):
    host.answers["/table.txt"] = [serves(LIE), serves(CONTENT)]
    fetch(file, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "attempts", "said"),
    [
        (404, 1, "404 Client Error"),
        (403, 1, "403 Client Error"),
        (500, 1 + module.RETRIES, "500 Server Error"),
        (429, 1 + module.RETRIES, "429 Client Error"),
        (breaks_off(CONTENT), 1 + module.RETRIES, "IncompleteRead"),
        (serves(LIE), 1 + module.RETRIES, f"got {sha256(LIE).removeprefix('sha256:')}"),
        (serves(b""), 1 + module.RETRIES, "does not match the known hash"),
    ],
)
def test_refused_answers(answer, attempts, said, file, target, host):
    host.answers["/table.txt"] = [answer]
    with pytest.raises(FetchError, match=re.escape(said)):
        fetch(file, target)
    assert host.requests["/table.txt"] == attempts
    assert names_in(target.parent) == []


def test_compression_on_the_way_is_declined(gz_file, target, host):
    host.answers["/table.txt.gz"] = [serves(GZ)]
    fetch(gz_file, target)
    assert [headers["Accept-Encoding"] for headers in host.headers] == ["identity"]


def test_gzipped_offer_is_unpacked(gz_file, target, host):
    host.answers["/table.txt.gz"] = [serves(GZ)]
    fetch(gz_file, target)
    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["table.txt"]


@pytest.mark.parametrize(("pack", "name"), [(archive_of, "all.tar.gz"), (zip_of, "all.zip")])
def test_archive_is_downloaded_once_for_all_its_members(pack, name, file, host, target):
    archive = pack({"deep/table.txt": CONTENT, "deep/other.txt": CONTENT[::-1]})
    first, other = members(file, host, archive, name)
    host.answers[f"/{name}"] = [serves(archive)]
    fetch(first, target)
    fetch(other, target.with_name("other.txt"))
    assert target.read_bytes() == CONTENT
    assert target.with_name("other.txt").read_bytes() == CONTENT[::-1]
    assert host.requests == {f"/{name}": 1}
    assert names_in(target.parent) == sorted([name, "other.txt", "table.txt"])


def test_a_damaged_archive_beside_the_target_is_replaced(file, host, target):
    archive = archive_of({"deep/table.txt": CONTENT})
    first, _ = members(file, host, archive, "all.tar.gz")
    host.answers["/all.tar.gz"] = [serves(archive)]
    target.parent.mkdir(parents=True)
    target.with_name("all.tar.gz").write_bytes(archive[:-1])
    fetch(first, target)
    assert target.read_bytes() == CONTENT
    assert target.with_name("all.tar.gz").read_bytes() == archive


def test_content_that_unpacks_to_something_else_is_refused(gz_file, target, host):
    wrong = gzip.compress(LIE, mtime=0)
    host.answers["/table.txt.gz"] = [serves(wrong)]
    with pytest.raises(FetchError, match=sha256(LIE)):
        fetch(replace(gz_file, packed=Packed(**described(wrong))), target)
    assert names_in(target.parent) == []


def test_size_is_checked(file, target, host):
    host.answers["/table.txt"] = [serves(CONTENT)]
    with pytest.raises(FetchError, match=f"found {len(CONTENT)} bytes, expected 7"):
        fetch(replace(file, size=7), target)
    assert names_in(target.parent) == []


def test_mirror_folder_is_used_before_the_official_address(file, target, host, tmp_path):
    fetch(file, target, [mirror_folder(tmp_path, table_txt=CONTENT)])
    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["table.txt"]
    assert not host.requests


def test_mirror_folder_with_the_packed_form(gz_file, target, host, tmp_path):
    fetch(gz_file, target, [mirror_folder(tmp_path, table_txt_gz=GZ)])
    assert target.read_bytes() == CONTENT
    assert not host.requests


def test_mirror_address_plain_and_packed(gz_file, target, host):
    host.answers["/base/toy/table.txt.gz"] = [serves(GZ)]
    fetch(gz_file, target, [f"{host.address}/base"])
    assert target.read_bytes() == CONTENT
    assert list(host.requests) == ["/base/toy/table.txt", "/base/toy/table.txt.gz"]


def test_damaged_file_of_a_mirror_folder_is_passed_over_at_once(
    file, target, host, tmp_path, pauses
):
    host.answers["/table.txt"] = [serves(CONTENT)]
    fetch(file, target, [mirror_folder(tmp_path, table_txt=LIE)])
    assert target.read_bytes() == CONTENT
    assert pauses == []


def test_mirrors_are_tried_in_order(file, target, host, tmp_path):
    host.answers["/second/toy/table.txt"] = [serves(CONTENT)]
    host.answers["/third/toy/table.txt"] = [serves(CONTENT)]
    places = [str(tmp_path / "absent"), f"{host.address}/first"]
    fetch(file, target, [*places, f"{host.address}/second", f"{host.address}/third"])
    assert list(host.requests) == ["/first/toy/table.txt", "/second/toy/table.txt"]


def test_environment_comes_before_the_config(monkeypatch):
    monkeypatch.setenv(module.MIRRORS, " /one; https://two:8080/base/ ;;")
    assert module.mirrors(["three"]) == ["/one", "https://two:8080/base", "three"]
    monkeypatch.delenv(module.MIRRORS)
    assert module.mirrors(["three"]) == ["three"]


def test_mirror_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"BENCHMARK_MIRRORS.*'ftp://host'.*https://"):
        module.mirrors(["ftp://host"])


def test_target_in_place_is_kept(file, target, host):
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    before = target.stat()
    fetch(file, target)
    assert target.stat() == before
    assert not host.requests


@pytest.mark.parametrize("content", [LIE, CONTENT[:-1], b""])
def test_bad_target_in_place_is_refused_and_left_alone(content, file, target, host):
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    with pytest.raises(ValueError, match=r"table.txt is not toy/table.txt .* found .* delete it"):
        fetch(file, target)
    assert target.read_bytes() == content
    assert not host.requests


def test_official_form_put_beside_the_target_by_hand(gz_file, target, host):
    target.parent.mkdir(parents=True)
    target.with_name("table.txt.gz").write_bytes(GZ)
    fetch(gz_file, target)
    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["table.txt", "table.txt.gz"]
    assert not host.requests


def test_message_says_what_was_tried_and_what_to_do(gz_file, target, host, tmp_path):
    folder = mirror_folder(tmp_path, table_txt=LIE)
    with pytest.raises(FetchError) as caught:
        fetch(gz_file, target, [folder, DEAD])
    message = str(caught.value)
    tried = [line.strip() for line in message.splitlines()[1:7]]
    assert tried == [
        f"{target}.gz: No such file or directory",
        f"{folder}/toy/table.txt: found {sha256(LIE)}, expected {gz_file.hash}",
        f"{folder}/toy/table.txt.gz: No such file or directory",
        *tried[3:5],
        f"{gz_file.address}: 404 Client Error: Not Found for url: {gz_file.address}",
    ]
    assert tried[3].startswith(f"{DEAD}/toy/table.txt: ") and "refused" in tried[3]
    assert tried[4].startswith(f"{DEAD}/toy/table.txt.gz: ") and "refused" in tried[4]
    assert f"Download {gz_file.address}" in message
    assert f"({len(GZ)} bytes, {sha256(GZ)}) and save it as\n  {target}.gz" in message
    assert f"{target} ({len(CONTENT)} bytes, {sha256(CONTENT)})" in message
    assert "`mirrors:` in config.yaml" in message and "BENCHMARK_MIRRORS" in message
    assert names_in(target.parent) == []


def test_message_for_a_plain_file(file, target):
    with pytest.raises(FetchError) as caught:
        fetch(file, target)
    assert f"save it as\n  {target}.\n" in str(caught.value)
    assert "unpacked" not in str(caught.value)


# --- members without a hash, folders, and what only mirrors have ---------------------------------


@pytest.fixture
def unknown(file, host):
    """A member of an archive that has a hash, while it has none itself, and no size either."""
    archive = archive_of({"deep/table.txt": CONTENT, "deep/other.txt": LIE})
    packed = Packed(**described(archive) | {"size": None}, member="deep/table.txt")
    file = replace(file, size=None, hash=None, packed=packed, remark="It is large.")
    return replace(file, address=f"{host.address}/all.tar.gz"), archive


def test_a_member_without_a_hash_comes_from_its_archive_only(unknown, target, host, tmp_path):
    file, archive = unknown
    folder = mirror_folder(tmp_path, table_txt=LIE, all_tar_gz=archive)
    (tmp_path / "mirror/toy/all.tar.gz").write_bytes(archive)
    fetch(file, target, [folder])
    assert target.read_bytes() == CONTENT
    assert not host.requests
    fetch(file, target)  # nothing to compare it with: it is kept


def test_a_damaged_archive_without_a_size_is_refused(unknown, target, host):
    file, archive = unknown
    host.answers["/all.tar.gz"] = [serves(archive[:-1])]
    with pytest.raises(FetchError) as caught:
        fetch(file, target)
    message = str(caught.value)
    assert "No intact copy of toy/table.txt was found. It is large." in message
    assert f"Download {file.address}\n  ({sha256(archive)}) and save it as" in message
    assert f"{target} (no checksum of it by itself is published)" in message
    assert "has toy/all.tar.gz: under" in message
    assert names_in(target.parent) == []


def test_one_process_at_a_time_downloads_an_archive(unknown, target, host):
    file, archive = unknown
    host.answers["/all.tar.gz"] = [serves(archive)]
    others = [target.with_name(f"copy{i}") for i in range(4)]
    threads = [threading.Thread(target=fetch, args=(file, other)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(other.read_bytes() == CONTENT for other in others)
    assert host.requests["/all.tar.gz"] == 1


IMAGES = {"a/1.jpg": b"one", "a/2.jpg": b"two", "b/1.jpg": b"three"}


@pytest.fixture
def folder(host):
    hashed = b"".join(b"toy/images/%s\0%s" % (k.encode(), v) for k, v in IMAGES.items())
    archive = archive_of({f"Toy/images/{k}": v for k, v in IMAGES.items()} | {"Toy/b": b"no"})
    packed = Packed(None, sha256(archive), "Toy/images")
    address = f"{host.address}/Toy.tgz"
    size = sum(map(len, IMAGES.values()))
    host.answers["/Toy.tgz"] = [serves(archive)]
    return RemoteFile("toy/images", size, sha256(hashed), address, packed, "*/*.jpg")


def images_in(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def lay_out(path, images):
    for name, content in images.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def test_a_folder_comes_out_of_its_archive(folder, target, host):
    fetch(folder, target.with_name("images"))
    assert images_in(target.with_name("images")) == IMAGES
    assert names_in(target.parent) == ["Toy.tgz", "images"]


def test_a_folder_comes_from_a_mirror_without_what_does_not_match(folder, target, host, tmp_path):
    lay_out(tmp_path / "mirror/toy/images", {**IMAGES, "a/Thumbs.db": b"no", "notes.txt": b"no"})
    fetch(folder, target.with_name("images"), [str(tmp_path / "mirror")])
    assert images_in(target.with_name("images")) == IMAGES
    assert not host.requests


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"a/1.jpg": b"eno"}, "expected sha256"),
        ({"a/1.jpg": b"two", "a/2.jpg": b"one"}, "expected sha256"),
        ({"b/2.jpg": b""}, "expected sha256"),
        ({"b/1.jpg": b""}, "found 6 bytes, expected 11"),
    ],
)
def test_a_damaged_folder_is_passed_over_and_refused_in_place(
    change, said, folder, target, host, tmp_path
):
    lay_out(tmp_path / "mirror/toy/images", {**IMAGES, **change})
    fetch(folder, target.with_name("images"), [str(tmp_path / "mirror")])
    assert images_in(target.with_name("images")) == IMAGES
    lay_out(target.with_name("images"), change)
    with pytest.raises(ValueError, match=said):
        module.verify(folder, target.with_name("images"))


def test_what_only_mirrors_have(file, target, host):
    mine = replace(file, address=None, remark="The whole is the source 'toy'.")
    with pytest.raises(FetchError) as caught:
        fetch(mine, target)
    message = str(caught.value)
    assert (
        "The whole is the source 'toy'. Tried, in this order:\n  no mirror is configured" in message
    )
    assert f"no official address: save it as\n  {target} ({len(CONTENT)} bytes" in message
    host.answers["/base/toy/table.txt"] = [serves(CONTENT)]
    fetch(mine, target, [f"{host.address}/base"])
    assert target.read_bytes() == CONTENT


def test_fetching_needs_no_torch():
    needed = ["catalogue", "fetch"]
    modules = ["benchmark", "benchmark.data", *(f"benchmark.data.{name}" for name in needed)]
    assert modules_of("benchmark.data.fetch") == [*modules, "benchmark.files"]
