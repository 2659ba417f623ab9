"""Packed downloads: files and folders that come out of archives, with a hash or without."""

import gzip
import threading
from dataclasses import replace

import pytest
from host import (
    CONTENT,
    GZ,
    LIE,
    archive_of,
    described,
    file,
    gz_file,
    host,
    mirror_folder,
    names_in,
    pauses,
    serves,
    sha256,
    target,
    zip_of,
)

from benchmark.data import fetch as module
from benchmark.data.catalogue import Packed, RemoteFile
from benchmark.data.fetch import FetchError, fetch

__all__ = ["file", "gz_file", "host", "pauses", "target"]  # the fixtures


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


# --- members without a hash, and folders ----------------------------------------------------------


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
