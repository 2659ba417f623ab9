"""What `make new-*` lays down: the blocks of the pages, a valid entry; and no file is replaced."""

import contextlib
from pathlib import Path

import pytest
import yaml
from pages import block, parsed
from suites import SHIPPED

from benchmark.jobs import scaffold
from benchmark.jobs.scaffold import Part, lay_down
from benchmark.source import ROOT
from benchmark.suite import entries
from benchmark.suite.load import load
from benchmark.suite.words import ConfigError

PARTS = {
    **{"method": "straight", "network": "shallow", "dataset": "ring"},
    **{"measurement": "spread", "foreign": "kde"},
}


@pytest.fixture
def package(tmp_path):
    return tmp_path / "research/mymethods"


def suite_of(package: Path) -> dict:
    content = yaml.safe_load((package.parent / "config.yaml").read_text())
    return content["suites"][package.name]


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_parts_in_one_folder_make_a_valid_suite(tmp_path, asked_here, monkeypatch):
    package = tmp_path / "of_this_test"  # it is imported here
    for kind, name in PARTS.items():
        lay_down(Part(kind, name, package))
    monkeypatch.chdir(package.parent)
    suite = load(yaml.safe_load(Path("config.yaml").read_text()))
    assert list(suite.datasets) == ["ring", "eight_gaussians"]
    own = {"kde", "interpolant_shallow", "straight"}
    assert set(suite.methods) == own | {"interpolant", "gaussian", "oracle"}
    assert suite.is_flow("straight") and not suite.is_ours("kde")
    assert all("spread" in suite.measurements_of(run) for run in suite.runs)
    assert len({suite.methods[name].colour for name in own}) == len(own)


PAGES = {
    "straight.py": ("README.md", "class Straight"),
    "shallow.py": ("benchmark/README.md", "class Shallow"),
    "spread.py": ("benchmark/README.md", "class Spread"),
    "kde.smk": ("benchmark/README.md", "rule fit_kde:"),
    "kde.sh": ("benchmark/README.md", 'exec "$PYTHON"'),
    "kde.py": ("benchmark/README.md", "KernelDensity("),
}


def test_the_pages_show_what_is_laid_down(package):
    for kind, name in PARTS.items():
        lay_down(Part(kind, name, package))
    for file, (page, words) in PAGES.items():
        text = (package / file).read_text()
        assert block(page, words) == text, file
    methods = suite_of(package)["methods"]
    choice = {"label": None, "colour": None}
    shown = {
        **parsed("README.md", "straight:"),
        **parsed("benchmark/README.md", "label: Kernel density"),
    }
    for name, entry in shown.items():
        assert {**methods[name], **choice} == {**entry, **choice}


def test_the_suite_of_the_folder_is_a_part_of_quick(package):
    lay_down(Part("method", "straight", package))
    suite, quick = suite_of(package), SHIPPED["suites"]["quick"]
    for key in ("validation", "evaluation"):
        assert suite[key] == quick[key]
    assert suite["datasets"] == {"eight_gaussians": quick["datasets"]["eight_gaussians"]}
    for name in ("interpolant", "gaussian", "oracle"):
        expected = {key: v for key, v in quick["methods"][name].items() if key != "per_dataset"}
        if name == "oracle":
            expected["datasets"] = ["eight_gaussians"]
        assert suite["methods"][name] == expected


WRONG = {
    "Mine": ("method", "Mine", "allowed is a name in Python of small letters"),
    "a keyword": ("method", "lambda", "allowed is a name in Python"),
    "a module": ("network", "json", "'json', a module that Python has already"),
    "a class it imports": ("dataset", "splits", "the file imports another Splits"),
    "a kind": ("methd", "mine", "Did you mean 'method'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(what, package):
    kind, name, words = WRONG[what]
    with pytest.raises(ConfigError, match=words):
        lay_down(Part(kind, name, package))
    assert not package.parent.exists()


@pytest.mark.parametrize("place", [ROOT / "mymethods", ROOT / "workflow/mymethods"])
def test_the_checkout_is_no_place_for_a_package(place):
    with pytest.raises(ConfigError, match="in this checkout; allowed is a package of your own"):
        lay_down(Part("method", "mine", place))


def test_no_file_is_replaced_and_no_entry(package):
    lay_down(Part("method", "mine", package))
    before = everything(package.parent)
    with pytest.raises(ConfigError, match="mine.py is there, and nothing is replaced"):
        lay_down(Part("network", "mine", package))
    for path in package.glob("*mine.py"):
        path.unlink()
    before = everything(package.parent)
    with pytest.raises(ConfigError, match="the suite has an entry 'mine': choose another name"):
        lay_down(Part("method", "mine", package))
    assert everything(package.parent) == before


def test_a_folder_of_which_a_write_fails_is_left_as_it_was(package, monkeypatch):
    def fails(part):
        raise OSError("full")

    monkeypatch.setattr(scaffold, "_add_entry", fails)
    with contextlib.suppress(OSError):
        lay_down(Part("method", "mine", package))
    assert not package.parent.exists()


def test_a_config_that_is_there_keeps_its_lines(package):
    """The suite of ones own may lie in a file of its own, indented in another way."""
    package.parent.mkdir()
    config = package.parent / "config.yaml"
    config.write_text("suite: a\npython_path: ['.']  # here\nsuites:\n  a: suites/a.yaml\n")
    suite = package.parent / "suites/a.yaml"
    suite.parent.mkdir()
    suite.write_text("# mine\nmethods:\n    # the first\n    old: {label: Old}\nseeds: [0]")
    before = config.read_text()
    lay_down(Part("foreign", "mine", package))
    assert config.read_text() == before
    text = suite.read_text()
    assert text.startswith("# mine\nmethods:\n    # the first\n    mine:\n      label: Mine\n")
    content = yaml.safe_load(text)
    assert content["methods"]["old"] == {"label": "Old"} and content["seeds"] == [0]


@pytest.mark.parametrize(
    "text", ["methods: {old: 1}", "methods:", "a: &x\n  b: 1\nmethods: *x", "methods: {}"]
)
def test_a_section_without_lines_of_its_own_takes_none(text):
    with pytest.raises(ValueError, match="methods .* lines"):
        entries.added(text, ["methods"], "new: 2\n")


def test_a_section_that_is_absent_comes_last():
    before, after = "a:\n  x:\n    y: 1  # why\n  z: [1,\n     2]\n", "\n# of b\nb: 3\n"
    for last in ("", "  w:\n    - 1\n    - 2\n", "  v:\n"):
        added = entries.added(before + last + after, ["a", "s"], "new: 2\n")
        assert added == f"{before}{last}  s:\n    new: 2\n{after}"


def test_a_config_that_does_not_look_in_the_folder_is_told_what_to_add(package):
    package.parent.mkdir()
    (package.parent / "config.yaml").write_text("suite: a\nsuites:\n  a:\n    seeds: [0]\n")
    with pytest.raises(ConfigError, match="python_path lacks .*, where mymethods lies: add '.'"):
        lay_down(Part("method", "mine", package))
    assert [path.name for path in package.parent.iterdir()] == ["config.yaml"]
