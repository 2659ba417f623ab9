"""The catalogue of published files."""

import re

import pytest

from benchmark.data import catalogue


@pytest.mark.parametrize(
    ("find", "name", "nearest"),
    [
        (catalogue.source, "mnits", "mnist"),
        (catalogue.remote_file, "mnist/train-image-idx3-ubyte", "mnist/train-images-idx3-ubyte"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(find, name, nearest):
    with pytest.raises(ValueError, match=f"'{name}'.*Did you mean '{nearest}'"):
        find(name)


def test_a_misspelt_key_of_the_catalogue_is_named():
    with pytest.raises(TypeError, match="adress|address"):
        catalogue._remote_file(path="a", size=1, hash="sha256:0", adress="https://host/a")


@pytest.mark.parametrize("path", catalogue.remote_files())
def test_catalogue_entries_are_whole(path):
    file = catalogue.remote_file(path)
    assert file.address.startswith("https://") if file.address else file.remark
    assert file.hash or file.packed.member  # something verifies every file
    for form in filter(None, [file, file.packed]):
        assert form.size is None or (isinstance(form.size, int) and form.size > 0)
    for known in filter(None, [file.hash, file.packed and file.packed.hash]):
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", known)


def test_catalogue_names_every_file_once():
    entries = [file for source in catalogue.catalogue().values() for file in source.files]
    assert len(entries) == len(catalogue.remote_files())
