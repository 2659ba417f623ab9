"""Files of numbers as users have them: nothing is guessed, and a refusal says what to write."""

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from benchmark import parts
from benchmark.data.table import Table
from benchmark.data.table_file import read_table

ALL = {
    **{"columns": None, "noise": {}, "shuffle": None, "split": [0.6, 0.2, 0.2]},
    "standardise": None,
}
ROWS = "0.5,1.5,2.5\n-3.25,4,1e-3\n"

LINES = {
    "a row": ("0.5,0.5,1.25\n" + ROWS, "line 1 is 0.5,0.5,1.25: '0.5' is no name of a column"),
    "a row with exponents": ("1e-3,1e-3,2\n" + ROWS, "line 1 is 1e-3,1e-3,2: '1e-3' is no name"),
    "a row with a gap": ("0.5,,1.25\n" + ROWS, "'0.5' is no name of a column. If it is a row"),
    "NaN among names": ("a,nan,c\n" + ROWS, "line 1 is a,nan,c: 'nan' is no name"),
    "places": ("0,1,2\n" + ROWS, "places instead of names, as pandas writes them for an array"),
    "an index": (",a,b\n0,1.5,2\n1,2.5,3\n", "column 1 has no name.*index of pandas.*index=False"),
    "no name": ("a,,b\n1,1.5,2\n", "line 1 is a,,b: column 2 has no name"),
    "a name twice": ("a,b,a\n" + ROWS, "line 1: the name 'a' stands there more than once"),
    "a name twice, but for blanks": ("a,b, a\n" + ROWS, "the name 'a' stands there more than once"),
    "semicolons": ("a;b;c\n0,0012;0,2987;-0,2741\n", "line 1 is a;b;c: separated by semicolons"),
    "tabs": ("a\tb\n1.5\t2\n", "separated by tabs"),
    "blanks": ("a b c\n1.5 2 3\n", "separated by blanks"),
    "more fields": ("a,b,c\n1,2,3,4\n" + ROWS, r"line 2 has 4 fields \(1,2,3,4\), and there are 3"),
    "fewer fields": ("a,b,c\n" + ROWS + "1,2\n", "line 4 has 2 fields"),
    "decimal commas": ("a,b\n0,5,1,2\n", "line 2 has 4 fields.*Decimals are written with a point"),
    "quoted decimal commas": ('a,b\n"0,5","1,2"\n', "found '0,5'.*write decimals with a point"),
    "a comment": ("# of today\na,b\n1,2\n", "line 2 has 2 fields"),
    "a comment above": ("# of a, b\na,b\n1,2\n", "column '# of a', row 1: found 'a'"),
    "no row": ("a,b,c\n", "has 3 columns and no rows"),
    "nothing": ("", "is empty"),
    "blank lines": ("\n\n", "is empty"),
    "text for missing": ("a,b\n1,NA\n2,3\n", "column 'b', row 1: found 'NA'"),
    "missing": ("a,b\n1,2\n2,\n", "column 'b', row 2: the value is missing"),
    "a quote that does not end": ('a,b\n1,"2\n' + "3,4\n" * 50_000, "cannot be read as .csv"),
    "truth": ("a,b\n1,True\n2,False\n", "column 'b', row 1: found 'True'"),
}


@pytest.mark.parametrize(("content", "said"), LINES.values(), ids=LINES.keys())
def test_lines_that_are_no_table_are_refused_with_file_and_line(tmp_path, content, said):
    file = tmp_path / "mine.csv"
    file.write_text(content)
    with pytest.raises(ValueError, match=rf"(?s)mine.csv: .*({said})"):
        Table.prepare(file, **ALL)


def test_names_are_those_of_the_first_line_and_numbers_keep_their_digits(tmp_path):
    file = tmp_path / "mine.CSV"
    number = 0.1 + 0.2
    file.write_text(f'\ufeff a, "b, c" ,µ\n{number!r},1,2\r\n3, 4,5\n', encoding="utf-8")
    table = read_table(file)
    assert list(table) == ["a", "b, c", "µ"]
    assert table.to_numpy().tolist() == [[number, 1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_machine(tmp_path, end):
    (tmp_path / "mine.csv").write_bytes(end.join(["a,b", "1,2", "3,4", ""]).encode())
    assert read_table(tmp_path / "mine.csv").to_numpy().tolist() == [[1, 2], [3, 4]]


def test_lists_in_a_column_are_no_numbers(tmp_path):
    table = pyarrow.table({"a": [[1.0, 2.0]] * 9, "b": list(range(9))})
    parquet.write_table(table, tmp_path / "mine.parquet")
    with pytest.raises(ValueError, match=r"column 'a', row 1: found '\[1. 2.\]', which is not a"):
        Table.prepare(tmp_path / "mine.parquet", **ALL)


def test_columns_beside_text_keep_their_digits(tmp_path):
    file, number = tmp_path / "mine.csv", 0.1 + 0.2
    file.write_text(f"a,b,name\n{number!r},5,x\n" + "".join(f"{i}.5,{-i},y\n" for i in range(9)))
    found = Table.prepare(file, **{**ALL, "columns": ["a", "b"]})
    assert found.train[0, 0] == number


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n".encode("utf-16"), "is encoded as UTF-16; save it as UTF-8"),
        ("a,b\n1,2\nä,3\n".encode("latin-1"), "line 3 has a byte that is no UTF-8 .0xe4."),
    ],
)
def test_other_encodings_are_refused(tmp_path, content, said):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"mine.csv: {said}"):
        read_table(tmp_path / "mine.csv")


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz", ".parquet"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04 not", b"\x00\xff" * 9])
def test_damaged_files_are_refused_by_name(tmp_path, suffix, content):
    file = tmp_path / f"mine{suffix}"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{file}: "):
        read_table(file)


def test_columns_are_chosen_once():
    with pytest.raises(ValidationError, match="a list of distinct values"):
        parts.check(Table.prepare, {**ALL, "columns": ["mass", "mass"]}, ["file"])


def test_objects_are_refused_by_name(tmp_path):
    np.save(tmp_path / "mine.npy", np.array([[1, "a"]], dtype=object))
    with pytest.raises(ValueError, match="mine.npy: cannot be read: Object arrays"):
        read_table(tmp_path / "mine.npy")


@pytest.mark.parametrize("start", [0, 1])
def test_a_column_that_counts_the_rows_is_refused_unless_it_is_asked_for(tmp_path, start):
    rows = np.random.default_rng(0).normal(size=(20, 3))
    rows[:, 1] = np.arange(start, start + 20)
    np.save(tmp_path / "mine.npy", rows)
    with pytest.raises(ValueError, match="mine.npy: column 1 counts the rows, .*an index is no"):
        Table.prepare(tmp_path / "mine.npy", **ALL)
    found = Table.prepare(tmp_path / "mine.npy", **{**ALL, "columns": [0, 1]})
    assert found.train.shape == (12, 2)


def test_whole_numbers_that_double_precision_does_not_hold_are_refused(tmp_path):
    np.save(tmp_path / "mine.npy", np.array([[2**53, 1], [2**53 + 1, 5]]))
    with pytest.raises(ValueError, match=r"column 0: whole numbers beyond 2\^53 lose digits"):
        Table.prepare(tmp_path / "mine.npy", **ALL)


def test_an_index_without_a_name_is_no_column_of_a_parquet_file(tmp_path):
    table = pd.DataFrame({"a": [1.5, 2.5, 4.0], "b": [5.0, 3.0, 4.0]}).iloc[[2, 0]]
    table.to_parquet(tmp_path / "mine.parquet")
    assert list(read_table(tmp_path / "mine.parquet")) == ["a", "b"]
    table.set_index("a").to_parquet(tmp_path / "named.parquet")
    assert sorted(read_table(tmp_path / "named.parquet")) == ["a", "b"]


def test_names_that_stand_twice_in_a_parquet_file_are_refused(tmp_path):
    column = pyarrow.array([1.0, 2.0])
    parquet.write_table(pyarrow.table([column, column], names=["a", "a"]), tmp_path / "m.parquet")
    with pytest.raises(ValueError, match="m.parquet: the name 'a' stands there more than once"):
        read_table(tmp_path / "m.parquet")
