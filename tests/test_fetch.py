"""Downloads: retried, checked, left alone where they are; and what a failure says."""

import re
from dataclasses import replace

import pytest
from host import (
    CONTENT,
    GZ,
    LIE,
    breaks_off,
    file,
    gz_file,
    host,
    mirror_folder,
    names_in,
    pauses,
    serves,
    sha256,
    target,
)

from benchmark.data import fetch as module
from benchmark.data.fetch import FetchError, fetch
from benchmark.source import modules_of

__all__ = ["file", "gz_file", "host", "pauses", "target"]  # the fixtures

DEAD = "http://127.0.0.1:9"


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


def test_size_is_checked(file, target, host):
    host.answers["/table.txt"] = [serves(CONTENT)]
    with pytest.raises(FetchError, match=f"found {len(CONTENT)} bytes, expected 7"):
        fetch(replace(file, size=7), target)
    assert names_in(target.parent) == []


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


def test_fetching_needs_no_torch():
    needed = ["catalogue", "fetch"]
    modules = ["benchmark", "benchmark.data", *(f"benchmark.data.{name}" for name in needed)]
    assert modules_of("benchmark.data.fetch") == [*modules, "benchmark.files", "benchmark.names"]
