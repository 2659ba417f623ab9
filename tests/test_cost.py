"""Costs as they are stated by a run, and as they are recorded."""

import numpy as np
import pytest

from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.files import write_json
from benchmark.measure.cost import Cost
from benchmark.measure.evaluated import Evaluated
from benchmark.measure.evaluation import Measured
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.raw_files import cost_file, likelihood_file
from benchmark.records import records
from benchmark.records.model_file import ModelFile
from benchmark.records.run import Run

RUN = Run("quick", "points", "foreign", 4)
LIKELIHOOD = {"nfe": 20.5, "nodes": 7.5, "protocol": {"solver": "dopri5"}, "provenance": {"by": 1}}


class Points(Dataset):
    event = (2,)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RUN.folder.mkdir(parents=True)
    rows = np.arange(6.0).reshape(3, 2)
    dataset.write(RUN.data, Points, Splits(rows, rows, rows), {})
    np.save(RUN.samples, np.zeros((10, 2), np.float32))
    return RUN


def recorded(run, cost, likelihood=LIKELIHOOD):
    write_json(run.cost, cost)
    write_json(run.likelihood, likelihood)
    measure(Cost(), Subject("cost", run, source="d16e57", config="c0ffee"))
    return {record["metric"]: record for record in records.read(run.measurement("cost"))}


@pytest.mark.parametrize("cost", [[], {}])
def test_a_program_that_states_no_cost_has_its_evaluations_only(run, cost):
    found = recorded(run, cost)
    assert list(found) == ["nfe_likelihood", "nodes_likelihood"]
    assert [record["value"] for record in found.values()] == [20.5, 7.5]
    assert found["nfe_likelihood"]["protocol"] == {"solver": "dopri5"}
    assert found["nfe_likelihood"]["provenance"] == {"by": 1, "measurement": "d16e57"}


def test_one_cost_is_one_more_column(run):
    found = recorded(run, {"training_seconds": 3.1})["training_seconds"]
    assert (found["value"], found["unit"], found["heading"]) == (3.1, "s", "Training")


def test_evaluations_that_are_not_known_say_why(run):
    solve = {"nfe": None, "protocol": {"solver": "none (by hand)"}}
    for record in recorded(run, {}, solve).values():
        assert record["value"] is None
        assert record["reason"] == "no ODE is solved, solver none (by hand)"
    found = recorded(run, {}, {**solve, "reason": "no density"})
    assert {record["reason"] for record in found.values()} == {"no density"}
    found = recorded(run, {}, {"nfe": 14.0, "protocol": {}})
    assert found["nfe_likelihood"]["value"] == 14.0
    assert found["nodes_likelihood"]["reason"] == "not stated"


def test_what_are_no_samples_have_no_cost_and_the_rest_stands(run):
    np.save(run.samples, np.full((10, 2), np.nan))
    found = recorded(run, {"training_seconds": 3.1, "samples_per_second": 5.0})
    assert found["training_seconds"]["value"] == 3.1
    for name in ("sampling_seconds", "nfe_sampling", "samples_per_second"):
        assert found[name]["reason"] == f"{run.samples}: 10 of 10 samples are not finite."


def test_a_malformed_file_is_explained(run):
    with pytest.raises(ValueError, match=r"cost.json: training_second is unknown; did you mean"):
        recorded(run, {"training_second": 3.1})
    assert not run.measurement("cost").exists()


def evaluated(**changes):
    values = np.array([-1.0, np.nan, -3.0])
    given = {
        "passes": [Measured(values, 20.0, 2.0, 5.0), Measured(values - 2, 30.0, 3.0, 7.0)],
        "tight": Measured(np.array([-1.1, -2.0]), 40.0, 9.0),
        "samples": Measured(np.zeros((10, 2)), 12.0, 4.0),
        **{"parameters": 123, "diagnostics": {"monitor": 0.25}, "diagnosed": 2},
        "interruptions": 1,
    }
    return Evaluated(**{**given, **changes})


FIT = {
    **{"class": "any", "arguments": {}, "event": (2,), "coordinates": "identity"},
    **{"validation": {"atol": 1.0, "rtol": 1.0}, "provenance": {"at": 1}},
}


def fitted(**training):
    """The description of a fit that took so much."""
    how = {"lr": 0.1, "precision": "float32", "processes": 1}
    return ModelFile(**FIT, training={**how, **training})


TRAINED = fitted(steps=500, seconds=3.0, peak_memory=99.0, interruptions=2)


def test_costs_of_a_fit_are_those_of_its_training_and_its_evaluation(run):
    file = cost_file(evaluated(), TRAINED, {"solver": "dopri5"}, {"at": 2})
    found = recorded(run, file.model_dump(by_alias=True))
    assert {name: record["value"] for name, record in found.items()} == {
        **{"training_seconds": 3.0, "step_time": 6.0},  # ms
        **{"nfe_likelihood": 20.5, "nodes_likelihood": 7.5},
        **{"likelihood_seconds": 5.0, "sampling_seconds": 4.0, "nfe_sampling": 12.0},
        **{"samples_per_second": 2.5, "evaluation_interruptions": 1.0},
        **{"peak_memory": 99.0, "parameters": 123.0, "training_interruptions": 2.0},
        "monitor": 0.25,
    }
    headings = [(r["heading"], r["unit"]) for r in found.values() if r["heading"]]
    assert headings == [
        *(("Training", "s"), ("Step", "ms"), ("Likelihood", "NFE"), ("Divergence", "nodes")),
        *(("Sampling", "NFE"), ("Sampling", "samples/s"), ("Memory", "MiB"), ("Parameters", "")),
    ]
    at = {name: record["provenance"].get("at") for name, record in found.items()}
    assert {name for name in at if at[name] == 1} == {
        *("training_seconds", "step_time", "peak_memory", "parameters", "training_interruptions"),
    }
    assert (found["monitor"]["n"], found["monitor"]["direction"]) == (2, "none")
    assert found["samples_per_second"]["direction"] == "higher"
    assert [found[name]["n"] for name in ("likelihood_seconds", "sampling_seconds")] == [3, 10]


def test_what_a_closed_form_does_not_have_has_its_reason(run):
    untrained = fitted(steps=0, seconds=None, peak_memory=9.0, interruptions=0)
    closed = evaluated(samples=Measured(np.zeros((10, 2)), 0.0, 4.0), parameters=0, tight=None)
    file = cost_file(closed, untrained, {"solver": "none (closed form)"}, {})
    found = recorded(run, file.model_dump(by_alias=True))
    for name in ("training_seconds", "step_time", "parameters"):
        assert found[name]["reason"] == "closed form: nothing is trained"
    assert found["nfe_sampling"]["reason"] == "no ODE is solved, solver none (closed form)"
    assert found["likelihood_seconds"]["value"] == 5.0


def test_a_diagnostic_that_is_not_finite_leaves_the_costs_standing(run):
    file = cost_file(evaluated(diagnostics={"monitor": np.nan}), TRAINED, {"solver": "dopri5"}, {})
    found = recorded(run, file.model_dump(by_alias=True))
    assert found["training_seconds"]["value"] == 3.0
    assert (found["monitor"]["value"], found["monitor"]["reason"]) == (None, "is not finite")


def test_a_method_without_likelihood_states_its_reason_in_both_files(run):
    none = evaluated(passes=[], tight=None, reason="no density")
    assert np.isnan(none.log_prob(3)).all() and none.log_prob(3).shape == (3,)
    file = likelihood_file(none, {"solver": "dopri5"}, {})
    assert (file.nfe, file.reason, file.tight_log_prob) == (None, "no density", None)
    costs = cost_file(none, TRAINED, {"solver": "dopri5"}, {})
    assert (costs.likelihood_seconds, costs.reasons["likelihood_seconds"]) == (None, "no density")


def test_a_likelihood_file_is_of_all_passes_and_its_loose_rows_of_the_first():
    file = likelihood_file(evaluated(), {"solver": "dopri5"}, {"at": 2})
    assert (file.nfe, file.nodes) == (25.0, 6.0)
    assert file.tight_log_prob == [-1.1, -2.0]
    assert file.loose_log_prob == [-1.0, None]  # JSON has no NaN
    assert file.probe_error is None
    assert (file.protocol, file.provenance) == ({"solver": "dopri5"}, {"at": 2})
    np.testing.assert_array_equal(evaluated().log_prob(3), [-2.0, np.nan, -4.0])
