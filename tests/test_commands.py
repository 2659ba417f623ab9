"""Commands that a user types end in words, not in a traceback."""

import pytest
import yaml
from suites import TOY

from benchmark.jobs import archive, efficiency, keep, leaderboard

OF_A_SUITE = {
    "keep": keep.main,
    "efficiency": efficiency.main,
    "leaderboard": leaderboard.main,
    "archive": lambda name: archive.main([name]),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the config of the toy suite."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(TOY))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ends(command, *given):
    """The words with which a command ends."""
    with pytest.raises(SystemExit) as ended:
        command(*given)
    return str(ended.value)


@pytest.mark.parametrize("command", OF_A_SUITE.values(), ids=OF_A_SUITE)
def test_what_is_wrong_with_suite_or_config_ends_a_command(here, command):
    assert "suite 'tyo' is unknown; allowed: toy. Did you mean 'toy'?" in ends(command, "tyo")
    (here / "config.yaml").write_text("suite: toy\nsuite: quick\n")
    assert "line 2: the key 'suite' stands in its section twice" in ends(command, "toy")
    (here / "config.yaml").unlink()
    assert "config.yaml" in ends(command, "toy")


def test_what_cannot_be_packed_or_merged_is_told(here):
    assert "SAMPLES is 'many'; allowed is a number" in ends(archive.main, ["toy", "many"])
    told = ends(archive.main, ["merge", "both.crate.zip", "gone.crate.zip"])
    assert "gone.crate.zip" in told and not (here / "both.crate.zip").exists()
