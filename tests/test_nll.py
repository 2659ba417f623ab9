"""Negative log-likelihoods and their errors against numbers worked out by hand."""

import json
import math

import numpy as np
import pytest

from benchmark.data import dataset
from benchmark.data.dataset import Dataset, Splits
from benchmark.data.description import Description, describe
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.nll import NLL, likelihood_metrics
from benchmark.records import records
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.run import Run

STATED = {"dequantisation": "by hand"}
CLOSED = {"nfe": None, "tight_log_prob": None, "protocol": {"solver": "none (by hand)", **STATED}}


def description(rows=3, levels=None, event=(2,)):
    return Description(event, levels, None, None, {"test": rows}, "hash")


def measured(log_prob, truth=None, solve=CLOSED, **changes):
    data = description(rows=len(log_prob), **changes)
    truth = None if truth is None else np.array(truth)
    file = LikelihoodFile(**{"protocol": STATED, **solve})
    found = likelihood_metrics(np.array(log_prob), truth, data, file)
    return {metric.metric: metric for metric in found}


def test_nll_and_its_standard_error():
    # 1, 2, 6: mean 3, variance (4 + 1 + 9) / 2 = 7.
    nll = measured([-1.0, -2.0, -6.0])["nll"]
    assert nll.value == pytest.approx(3)
    assert nll.standard_error == pytest.approx(math.sqrt(7 / 3))
    assert (nll.unit, nll.n, nll.direction) == ("nats", 3, "lower")


def test_one_row_has_no_standard_error():
    assert measured([-1.0])["nll"].standard_error is None


def test_kl_is_positive_where_the_model_is_worse_than_the_truth():
    # E_p[log p - log q]: the true log-density is higher by 1, 2, 3.
    kl = measured([-2.0, -3.0, -4.0], truth=[-1.0, -1.0, -1.0])["kl"]
    assert kl.value == pytest.approx(2) and kl.unit == "nats"
    assert kl.standard_error == pytest.approx(1 / math.sqrt(3))


def test_no_kl_without_the_truth():
    assert "kl" not in measured([-1.0, -2.0])


def test_integer_rows_are_measured_in_bits():
    # -10 log 2 nats in 5 dimensions: 2 bits each, and 8 of the 256 levels.
    found = measured(
        [-10 * math.log(2)] * 2,
        solve={"nfe": 14.0, "tight_log_prob": [-5 * math.log(2)]},
        levels=256,
        event=(5,),
    )
    assert found["nll"].value == pytest.approx(10) and found["nll"].unit == "bits/dim"
    assert found["nll"].standard_error == pytest.approx(0)
    assert found["solver_error"].value == pytest.approx(1)
    assert found["solver_error"].unit == "bits/dim"


def test_probes_leave_a_standard_error_in_the_unit_of_the_data():
    solve = {"nfe": 20.5, "nodes": 7.5, "probe_error": 0.25, "tight_log_prob": [-1.0]}
    found = measured([-1.0, -1.0], solve=solve)
    assert found["probe_error"].value == pytest.approx(0.25)
    found = measured([-1.0, -1.0], solve=solve, levels=256, event=(5,))["probe_error"]
    assert found.value == pytest.approx(0.25 / (5 * math.log(2))) and found.unit == "bits/dim"
    assert "probe_error" not in measured([-1.0, -1.0], solve={**solve, "probe_error": None})


def test_solver_error_is_the_change_of_the_nll_of_the_first_rows():
    solve = {"nfe": 20.5, "tight_log_prob": [-1.5, -1.5]}
    found = measured([-1.0, -1.0, -7.0], solve=solve)
    assert found["solver_error"].value == pytest.approx(0.5) and found["solver_error"].n == 2
    solve = {"nfe": 20.5, "tight_log_prob": [-0.5, -0.5]}
    assert measured([-1.0, -1.0, -7.0], solve=solve)["solver_error"].value == pytest.approx(0.5)


def test_solver_error_is_of_one_pass_where_rows_are_means_of_several():
    solve = {"nfe": 20.5, "tight_log_prob": [-1.5, -1.5], "loose_log_prob": [-1.2, -1.4]}
    assert measured([-1.0, -1.0, -7.0], solve=solve)["solver_error"].value == pytest.approx(0.2)


def test_what_solves_no_ode_says_so_and_what_it_does_instead():
    error = measured([-1.0, -2.0])["solver_error"]
    assert error.value is None
    assert error.reason == "no ODE is solved, solver none (by hand)"


def test_a_solver_whose_error_was_not_measured_says_so():
    error = measured([-1.0, -2.0], solve={"nfe": 20.5})["solver_error"]
    assert (error.value, error.reason) == (None, "not stated")


def test_only_likelihoods_and_kl_are_columns():
    headings = {name: metric.heading for name, metric in measured([-1.0], truth=[-1.0]).items()}
    assert headings == {"nll": "NLL", "kl": "KL", "solver_error": None}
    gaps = measured([math.nan], truth=[-1.0], solve={**CLOSED, "reason": "no density"})
    assert {name: metric.heading for name, metric in gaps.items()} == headings


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rows_without_density_are_a_reason_not_a_number(bad):
    solve = {"nfe": 14.0, "tight_log_prob": [None, -2.0]}
    found = measured([bad, -2.0, -3.0], truth=[-1.0] * 3, solve=solve)
    for name in ("nll", "kl", "solver_error"):
        assert found[name].value is None and "1 of " in found[name].reason


def test_a_method_without_likelihood_says_why():
    solve = {**CLOSED, "reason": "the base is known by samples only"}
    found = measured([math.nan] * 3, truth=[-1.0] * 3, solve=solve)
    assert set(found) == {"nll", "kl", "solver_error"}
    for metric in found.values():
        assert metric.value is None and metric.reason == "the base is known by samples only"
    assert (found["nll"].unit, found["kl"].unit) == ("nats", "nats")
    assert "kl" not in measured([math.nan], solve=solve)


class Points(Dataset):
    event = (2,)

    @staticmethod
    def prepare():
        raise NotImplementedError


def test_records_of_a_program_that_wrote_its_log_densities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Run("quick", "points", "foreign", 4)
    run.folder.mkdir(parents=True)
    rows = np.arange(6.0).reshape(3, 2)
    dataset.write(run.data, Points, Splits(rows, rows, rows), {"test": np.zeros(3)})
    np.save(run.log_prob, np.array([-1.0, -2.0, -6.0]))
    solve = {**CLOSED, "protocol": {"solver": "theirs"}, "provenance": {"commit": None}}
    run.likelihood.write_text(json.dumps(solve))
    measure(NLL(), Subject("nll", run, source="d16e57", config="c0ffee"))
    found = {record["metric"]: record for record in records.read(run.measurement("nll"))}
    assert found["nll"]["value"] == pytest.approx(3) == found["kl"]["value"]
    assert found["nll"]["method"] == "foreign" and found["nll"]["seed"] == 4
    assert found["nll"]["measurement"] == "nll" and "solver" in found["nll"]["compared"]
    checked = {"rows": 3, "data": describe(run.data).hash}  # theirs too: each has a value
    assert found["nll"]["protocol"] == {"solver": "theirs", **checked}
    assert found["nll"]["provenance"] == {"commit": None, "measurement": "d16e57"}
