"""Mirrors: before the official address, in their order, of folders and addresses."""

from dataclasses import replace

import pytest
from host import (
    CONTENT,
    GZ,
    LIE,
    file,
    gz_file,
    host,
    mirror_folder,
    names_in,
    pauses,
    serves,
    target,
)

from benchmark.data import fetch as module
from benchmark.data.fetch import FetchError, fetch

__all__ = ["file", "gz_file", "host", "pauses", "target"]  # the fixtures


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
