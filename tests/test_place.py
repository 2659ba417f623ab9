import pytest

from benchmark.source import ROOT
from benchmark.suite import place
from benchmark.suite.words import ConfigError


def test_a_folder_without_a_config_is_told_what_to_type(tmp_path):
    with pytest.raises(ConfigError, match=f"{tmp_path}: found no config.yaml.* `cd {ROOT}` first"):
        place.check(tmp_path, has_config=False)
    place.check(tmp_path, has_config=True)
    (tmp_path / "config.yaml").touch()
    place.check(tmp_path, has_config=False)


def test_results_behind_a_link_must_be_there(tmp_path):
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    with pytest.raises(ConfigError, match=f"results is a link to {tmp_path}/disk, which is not"):
        place.check(tmp_path, has_config=True)
    (tmp_path / "disk").mkdir()
    place.check(tmp_path, has_config=True)


@pytest.mark.parametrize("name", ["a{b}", "a}"])
def test_braces_are_refused_in_the_folder_or_that_of_python(name, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="found braces in .*rename the folder"):
        place.check(tmp_path / name, has_config=True)
    monkeypatch.setattr("sys.executable", f"/opt/{name}/bin/python")
    with pytest.raises(ConfigError, match=f"/opt/{name[:2]}.*rename the folder"):
        place.check(tmp_path, has_config=True)
