"""A figure that cannot be drawn: an error, and after a failure a figure that says why."""

import pytest
from PIL import Image
from reported import suite

from benchmark.jobs import report
from benchmark.report import outputs


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A suite of which neither the path of a data set can be drawn, nor the table of the NLL."""
    monkeypatch.chdir(tmp_path)
    made = suite("plane", seeds=1)
    monkeypatch.setattr(report, "load", lambda config: made)

    def failing(*arguments):
        raise ValueError("no such glyph")

    for writer in ("figures.path", "tables.nll"):
        monkeypatch.setattr(f"benchmark.report.{writer}.write", failing)
    return made


def test_a_figure_that_cannot_be_drawn_is_an_error(made, tmp_path):
    with pytest.raises(ValueError, match="no such glyph"):
        report.write({}, "figures/path_plane")
    assert not (tmp_path / "results").exists()


def test_with_gaps_it_says_why(made, monkeypatch):
    monkeypatch.setenv(report.GAPS, "1")
    report.write({}, "figures/path_plane")
    (output,) = [one for one in outputs.outputs(made) if one.name == "figures/path_plane"]
    assert {file.suffix for file in output.outputs} == {".png", ".pdf", ".gif"}
    assert all(file.stat().st_size for file in output.outputs)
    for file in (file for file in output.outputs if file.suffix != ".pdf"):
        with Image.open(file) as picture:
            assert len(set(picture.convert("L").getdata())) > 2
    with pytest.raises(ValueError, match="no such glyph"):
        report.write({}, "tables/nll")
