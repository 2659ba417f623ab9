"""Files that foreign programs write: the shortest honest ones are read, others explained."""

import json
import re

import pytest

from benchmark.files import read_json
from benchmark.records.cost_file import CostFile
from benchmark.records.likelihood_file import LikelihoodFile


def load(kind, folder, text):
    (folder / "file.json").write_text(text if isinstance(text, str) else json.dumps(text))
    return kind.load(folder / "file.json")


def problem(kind, folder, text):
    with pytest.raises(ValueError) as caught:
        load(kind, folder, text)
    assert type(caught.value) is ValueError  # none of pydantic's, which no one reads
    path, _, words = str(caught.value).partition(": ")
    assert path == str(folder / "file.json")
    return words


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema": 1}'])
def test_a_program_that_knows_no_cost_says_nothing(tmp_path, text):
    assert load(CostFile, tmp_path, text) == CostFile()


def test_one_cost_is_a_whole_file(tmp_path):
    found = load(CostFile, tmp_path, '{"training_seconds": 3}')
    assert found == CostFile(training_seconds=3.0)


def test_a_likelihood_file_may_leave_out_all_but_nfe_and_protocol(tmp_path):
    found = load(LikelihoodFile, tmp_path, {"nfe": None, "protocol": {"solver": "none"}})
    assert found.counts_gap == "no ODE is solved, solver none" and found.provenance == {}
    assert load(LikelihoodFile, tmp_path, {"nfe": 14, "protocol": {}}).counts_gap is None


def test_what_is_saved_is_loaded_and_says_its_schema(tmp_path):
    file = LikelihoodFile(nfe=14.5, tight_log_prob=[1.0, None], protocol={"atol": 1e-3})
    file.save(tmp_path / "new" / "file.json")
    assert LikelihoodFile.load(tmp_path / "new" / "file.json") == file
    assert read_json(tmp_path / "new" / "file.json")["schema"] == 1


@pytest.mark.parametrize("kind", [CostFile, LikelihoodFile])
def test_an_unknown_schema_is_refused_before_anything_else(tmp_path, kind):
    assert problem(kind, tmp_path, {"schema": 2, "new": True}) == (
        "is of schema 2; this version of the benchmark reads 1. Update the benchmark, or make the "
        "file again."
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"training_second": 1.0}, "training_second is unknown; did you mean training_seconds?"),
        ({"peak_memory": "3"}, 'peak_memory is "3"; allowed is a valid number'),
        ({"parameters": -1}, "parameters is -1; allowed is greater than or equal to 0"),
        ('{"seconds_per_step": NaN}', "seconds_per_step is NaN; allowed is a finite number"),
        ({"reasons": {"speed": "x"}}, "reasons is {.*allowed are names of costs, speed is none"),
        ([{"metric": "training_seconds"}], r"found \[.*a list of records, as earlier versions"),
        ("3", "found 3; allowed is an object"),
        ("{", "is not JSON"),
    ],
)
def test_a_malformed_cost_file_names_key_found_and_allowed(tmp_path, content, words):
    assert re.match(words, problem(CostFile, tmp_path, content))


def test_all_problems_are_reported_at_once(tmp_path):
    content = {"nodes": "many", "tight_log_prob": [1.0, "two"], "protocoll": {}}
    words = problem(LikelihoodFile, tmp_path, content)
    assert "nfe is missing" in words and "protocol is missing" in words
    assert 'nodes is "many"; allowed is a valid number' in words
    assert 'tight_log_prob.1 is "two"' in words
    assert "protocoll is unknown; did you mean protocol?" in words
