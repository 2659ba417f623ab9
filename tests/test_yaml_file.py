"""YAML files in which something would be taken for something else: refused, by line."""

import pytest

from benchmark.suite.words import ConfigError
from benchmark.suite.yaml_file import read

LINES = {
    "key twice": ("a: 1\nb: {c: 1}\na: 3\n", "line 3: the key 'a' stands .* first in line 1"),
    "key twice within": ("a:\n  b: 1\n  b: 1\n", "line 3: the key 'b' stands in its section twice"),
    "octal": ("seeds: [10, 010]\n", "line 1: YAML reads 010 as 8; write 8, or a name in quotes"),
    "octal name": ("010: {}\n", "line 1: YAML reads 010 as 8"),
    "minutes": ("seconds: 1:30\n", "line 1: YAML reads 1:30 as 90; write 90"),
    "date": ("label: 2024-01-01\n", "line 1: YAML reads 2024-01-01 as a date; write it in quotes"),
    "infinite": ("lr: [1.0, .inf]\n", "line 1: found .inf; allowed is a finite number"),
    "no number": ("lr: .NaN\n", "line 1: found .NaN; allowed is a finite number"),
    "tab": ("a:\n\tb: 1\n", "is no YAML: line 2, column 1: .* Indent by blanks, not by tabs"),
    "list": ("- a\n", "found no mapping; allowed is what is asked for"),
    "text": ("hello\n", "found no mapping"),
    "nothing": ("", "found nothing; allowed is what is asked for"),
    "comments": ("# a: 1\n", "found nothing"),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2.* but found another document. A file holds one"),
    "colon": ("label: a: b\n", "line 1, column 9: .* A text with a colon in it stands in quotes"),
    "star": ("label: *a*\n", r"line 1.* A text that begins with \* stands in quotes"),
    "percent": ("label: %a\n", "line 1.* begins with such a character stands in quotes"),
    "tag": ("a: !python/object:os.system x\n", "line 1.* begins with ! stands in quotes"),
    "circle": ("a: &x\n  b: *x\n", "what is named by & stands in itself"),
    "control character": ("a: \x00\n", "is no YAML: unacceptable character"),
    "unclosed": ("a: {b: 1\n", "is no YAML: line 2, column 1: .*expected"),
}


@pytest.mark.parametrize(("content", "said"), LINES.values(), ids=LINES.keys())
def test_what_would_be_taken_for_something_else_is_refused(tmp_path, content, said):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError, match=f"^{tmp_path}/mine.yaml: .*{said}"):
        read(str(tmp_path / "mine.yaml"), "what is asked for")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: 1\n".encode("utf-16"), "is encoded as UTF-16; save it as UTF-8"),
        ("a: 1\nb: ä\n".encode("latin-1"), "line 2 has a byte that is no UTF-8 .0xe4."),
    ],
)
def test_other_encodings_are_refused(tmp_path, content, said):
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=f"mine.yaml: {said}"):
        read(str(tmp_path / "mine.yaml"), "anything")


def test_what_is_plain_is_read_as_it_is_written(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("a: &x {b: 1_000, c: '010'}\nd: {<<: *x, e: -0}\nf: *x\n", encoding="utf-8-sig")
    first = {"b": 1000, "c": "010"}
    assert read(str(file), "anything") == {"a": first, "d": {**first, "e": 0}, "f": first}
