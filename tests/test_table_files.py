"""Files of formatted tables: the same cells in each, and parts of what is too wide."""

import csv

import pytest

from benchmark.report.table import Cell, Table, _latex_cell, write


def test_files_hold_the_same_cells(tmp_path):
    cells = (Cell("OT_Flow & 5%"), Cell("-1.50 ± 0.10 (n=3)", bold=True))
    made = Table("A_caption.", ("Method\n", "Moons\nNLL [nats]"), (cells,), ("50% | #1",))
    write(made, tmp_path / "table")
    lines = list(csv.reader((tmp_path / "table.csv").open()))
    assert lines == [["Method", "Moons NLL [nats]"], ["OT_Flow & 5%", "-1.50 ± 0.10 (n=3)"]]
    markdown = (tmp_path / "table.md").read_text()
    assert "| OT_Flow & 5% | **-1.50 ± 0.10 (n=3)** |" in markdown and "- 50% | #1" in markdown
    latex = (tmp_path / "table.tex").read_text()
    assert r"OT\_Flow \& 5\% & \textbf{$-$1.50 $\pm$ 0.10 (n=3)} \\" in latex
    assert r"A\_caption." in latex and r"50\% $|$ \#1" in latex
    assert latex.isascii() and latex.count("{") == latex.count("}")
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    for rule in ("toprule", "midrule", "bottomrule"):
        assert latex.count(f"\\{rule}") == 1
    assert not list(tmp_path.glob(".*"))


def test_latex_tells_a_dash_from_a_minus():
    assert _latex_cell(Cell("— [a]")) == "--- [a]"
    assert _latex_cell(Cell("-0.5")) == "$-$0.5"


def test_a_failed_write_leaves_the_old_table(tmp_path, monkeypatch):
    good = Table("good", ("a",), ((Cell("1"),),), ())
    write(good, tmp_path / "table")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    def full_disk(file, **_):
        file.write("a")
        raise OSError("disk full")

    monkeypatch.setattr(csv, "writer", full_disk)
    with pytest.raises(OSError, match="disk full"):
        write(good, tmp_path / "table")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_marks_are_written_in_each_markup(tmp_path):
    row = (Cell("a_b", bold=True), Cell("-1", underlined=True), Cell("c"))
    write(Table("Marks.", ("x", "y", "z"), (row,), ()), tmp_path / "table")
    assert "| **a_b** | <u>-1</u> | c |" in (tmp_path / "table.md").read_text()
    latex = (tmp_path / "table.tex").read_text()
    assert r"\textbf{a\_b} & \underline{$-$1} & c \\" in latex


def wide(groups, columns):
    heads = [f"Set {group}\npart {column}" for group in range(groups) for column in range(columns)]
    row = tuple(Cell(f"cell{place}") for place in range(groups * columns))
    return Table("Wide.", ("Method\n", *heads), ((Cell("ours"), *row),), ("One note.",))


def test_a_wide_table_is_broken_between_headings(tmp_path):
    write(wide(groups=5, columns=4), tmp_path / "table")
    markdown = (tmp_path / "table.md").read_text()
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    heads = [line for line in lines if "Method" in line]
    assert [[f"Set {group}<" in head for group in range(5)] for head in heads] == [
        [True, True, False, False, False],
        [False, False, True, True, False],
        [False, False, False, False, True],
    ]
    assert sum("ours" in line for line in lines) == 3 and markdown.count("One note.") == 1
    cells = [cell.strip() for line in lines for cell in line.split("|") if "cell" in cell]
    assert cells == [f"cell{place}" for place in range(20)]
    latex = (tmp_path / "table.tex").read_text()
    assert latex.count(r"\begin{tabular}{lllllllll}") == 2 and latex.count("One note.") == 1
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 4
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 2


def test_a_table_of_as_many_columns_as_fit_stays_whole(tmp_path):
    for groups, parts in ((11, 1), (12, 2)):
        write(wide(groups=groups, columns=1), tmp_path / "table")
        assert (tmp_path / "table.md").read_text().count("Method") == parts
    write(wide(groups=1, columns=20), tmp_path / "table")  # nothing to break it at
    assert (tmp_path / "table.md").read_text().count("Method") == 1


def test_latex_writes_a_shared_heading_once(tmp_path):
    write(wide(groups=2, columns=2), tmp_path / "table")
    latex = (tmp_path / "table.tex").read_text().splitlines()
    head = latex.index(r"\toprule")
    assert latex[head + 1] == r"Method & \multicolumn{2}{c}{Set 0} & \multicolumn{2}{c}{Set 1} \\"
    assert latex[head + 2 : head + 4] == [r"\cmidrule(lr){2-3}", r"\cmidrule(lr){4-5}"]
    assert latex[head + 4] == r" & part 0 & part 1 & part 0 & part 1 \\"
