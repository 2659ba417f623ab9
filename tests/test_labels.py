"""Labels with every sign: drawn and tabulated as they are, or refused before any job."""

import re
import shutil
import subprocess

import pytest
from markdown_it import MarkdownIt
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from suites import put, refused

from benchmark.report.figures.panels import add_legend, add_title, axes_rows
from benchmark.report.figures.theme import save, theme
from benchmark.report.labels import Style
from benchmark.report.table import Cell, Table, write
from benchmark.suite import letters
from benchmark.suite.load import load

LABELS = [
    *(
        r"$\foo$",
        "$x$",
        "[ours] true",
        "[a](b)",
        "[x]: y",
        "*ours*",
        "**",
        "_ours_",
        "a_b_c",
        "50%",
    ),
    *("p | q", "R&D", "&amp;", "# 1", "~ours~", "x^2", r"\begin{x}", r"a\b", "{x}", "<b>ours</b>"),
    *("`code`", "- x", "+ x", "> x", "1. x", "12) x", "a--b", '"ours"', "it's", "[ ]", "* x", "-"),
    *("α-flow", "Ω", "λ₂ ≤ 3", "Müller", "Čech", "Ørsted", "Erdős", "naïve – “flow”…", "ή"),
]


@pytest.fixture
def table():
    rows = tuple((Cell(label), Cell("-1.5", bold=True, underlined=True)) for label in LABELS)
    columns = ("Method\n", "Data & [set]\n*NLL* [nats]")
    return Table("Caption of $x$ & *y*.", columns, rows, tuple(f"{x}: a note." for x in LABELS))


def test_markdown_shows_labels_as_they_are(tmp_path, table):
    write(table, tmp_path / "table")
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    tokens = parser.parse((tmp_path / "table.md").read_text())
    inline = [token for token in tokens if token.type == "inline"]
    shown = ["".join(child.content for child in token.children) for token in inline]
    plain = [all(c.type == "text" for c in token.children) for token in inline]
    caption, method, heading, *cells = shown[: 3 + 2 * len(LABELS)]
    assert caption == table.caption and method == "Method"
    assert re.sub("<br>", "\n", heading) == table.columns[1]
    assert cells[::2] == LABELS and all(plain[3 : 3 + 2 * len(LABELS) : 2])
    assert shown[3 + 2 * len(LABELS) :] == list(table.notes)
    assert {token.type for token in tokens if token.type.endswith("list_open")} == {
        "bullet_list_open"
    }
    # GitHub takes these for mathematics, which the parser does not.
    assert not re.search(r"(?<!\\)\$", (tmp_path / "table.md").read_text())


def test_csv_has_labels_as_they_are(tmp_path, table):
    write(table, tmp_path / "table")
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert len(lines) == 1 + len(LABELS) and "Müller,-1.5" in lines


def test_latex_has_nothing_but_ascii_and_what_it_knows(tmp_path, table):
    write(table, tmp_path / "table")
    text = (tmp_path / "table.tex").read_text()
    assert text.isascii() and "U+" not in text
    bare = re.sub(r"\\[&%$#_{}]|\\[a-zA-Z]+|\$[^$\n]*\$|\\\\|\\['^\"`~=.]", "", text)
    assert not set(bare) & set('\\#%_$^~<>|"')
    assert text.replace(r"\{", "").count("{") == text.replace(r"\}", "").count("}")
    assert not re.search(r"(\\\\|rule)\s*(\[|\*)", text)
    assert letters.spelled("中") == "[U+4E2D]"  # of a message: a label may not have it


@pytest.mark.slow
def test_latex_compiles_where_pdflatex_is_installed(tmp_path, table):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex (Debian's texlive-latex-recommended has it)")
    write(table, tmp_path / "table")
    known = [chr(code) for code in range(32, 0x2300) if not letters.strange(chr(code))]
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    words = r"\par ".join(letters.spelled(letter) for letter in known)
    document = "\n".join([head, r"\input{table}", words, r"\end{document}"])
    (tmp_path / "main.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "main.log").read_text()


def test_figures_draw_labels_as_they_are(tmp_path):
    styles = {label: Style(label, "#000000") for label in LABELS}
    with theme():
        figure, panels = axes_rows(len(LABELS), columns=6, size=(1.5, 1.0))
        for label, axes in zip(LABELS, panels, strict=True):
            add_title(axes, label, styles)
            axes.annotate(label, (0.5, 0.5))
        add_legend(figure, [(Line2D([], []), label) for label in LABELS], ncols=6)
    save(figure, tmp_path / "labels")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == LABELS
    assert not any(axes.title.get_parse_math() for axes in panels)
    assert (tmp_path / "labels.png").stat().st_size and (tmp_path / "labels.pdf").stat().st_size


def test_figures_have_every_letter_that_a_label_may_have():
    drawn = FT2Font(findfont("DejaVu Sans")).get_charmap()
    known = [chr(code) for code in range(32, 0x2300) if not letters.strange(chr(code))]
    assert len(known) > 300 and not [letter for letter in known if ord(letter) not in drawn]


@pytest.mark.parametrize("label", LABELS)
def test_labels_that_can_be_shown_are_allowed(label):
    assert letters.one_line(label) == label


@pytest.mark.parametrize("key", ["methods/ffjord", "datasets/digits"])
@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("two\nlines", r"found '\\n'"),
        ("tab\tbed", r"found '\\t'"),
        ("中文", "found '中', '文'"),
        ("поток", "found 'п', 'о', 'т', 'к'"),
        ("😀", "found '😀'"),
        ("  ", "allowed is text that is not empty"),
    ],
)
def test_labels_that_cannot_be_shown_are_refused_before_any_job(toy, key, label, words):
    put(toy["suites"]["toy"], f"{key}/label", label)
    refused(toy, rf"{key.replace('/', '.')}.label is .*{words}.*\(name in tables and figures\)")


def test_equal_labels_are_refused_before_any_job(toy):
    suite = toy["suites"]["toy"]
    load(toy)
    put(suite, "methods/ffjord/label", "Interpolant")
    put(suite, "datasets/digits/label", suite["datasets"]["eight_gaussians"]["label"])
    told = refused(toy, r"methods.ffjord.label is 'Interpolant', as is that of interpolant")
    assert any("datasets.digits.label is 'Eight Gaussians', as is that of" in x for x in told)


def test_a_label_equal_to_that_of_a_variant_is_refused(toy):
    suite = toy["suites"]["toy"]
    put(suite, "methods/interpolant/train/lr", [0.1, 0.2])
    put(suite, "methods/ffjord/label", "Interpolant lr=0.2")
    refused(toy, r"methods.ffjord.label is 'Interpolant lr=0.2', as is that of interpolant-lr=0.2")
