"""The table of costs, against numbers worked out by hand."""

import pytest
from reporting import DATASETS, ODE, STYLES, gap, metric, record, row, write_records

from benchmark.report import frame as frames
from benchmark.report.tables import cost, nll

__all__ = ["record"]  # the fixture

KINDS = {
    "training_seconds": ("Training", "s"),
    "step_time": ("Step", "ms"),
    "nfe_likelihood": ("Likelihood", "NFE"),
    "nodes_likelihood": ("Divergence", "nodes"),
    "nfe_sampling": ("Sampling", "NFE"),
    "samples_per_second": ("Sampling", "samples/s"),
    "peak_memory": ("Memory", "MiB"),
    "parameters": ("Parameters", ""),
}
HEADINGS = (
    *("Training\n[s]", "Step\n[ms]", "Likelihood\n[NFE]", "Divergence\n[nodes]"),
    *("Sampling\n[NFE]", "Sampling\n[samples/s]", "Memory\n[MiB]", "Parameters\n"),
)
CLOCK = ODE | {"clock": "synchronised"}


@pytest.fixture
def costs(tmp_path):
    """Writes the records of the cost of one run and gives their path."""

    def costs(method, seed, values):
        known = [
            metric(name, values[name], unit, heading)
            for name, (heading, unit) in KINDS.items()
            if name in values
        ]
        other = [metric(name, values[name], "1") for name in values if name not in KINDS]
        path = tmp_path / method / f"seed{seed}" / "cost.json"
        run = gap(method, seed)
        more = {"protocol": CLOCK, "compared": []}
        return write_records(path, run, "cost", known + other, **more)

    return costs


def test_cost_table_counts_and_explains(costs):
    values = [{"training_seconds": 10.0 + k, "step_time": 2.1} for k in range(2)]
    values[0]["parameters"] = values[1]["parameters"] = 12345.0
    files = [costs("ffjord", k, values[k]) for k in range(2)]
    files += [costs("ot_flow", 0, {"parameters": 10.0, "peak_memory": None})]
    gaps = {gap("ffjord", 2): "diverged", gap("interpolant", 0): "out of time"}
    table = cost.table(frames.metrics(files, gaps), STYLES, DATASETS)
    cells = dict(zip(table.columns, (cell.text for cell in row(table, "FFJORD")), strict=True))
    assert cells["n\n"] == "2 of 3 [b]"
    assert cells["Training\n[s]"] == "10.50 ± 0.71"
    assert cells["Step\n[ms]"] == "2.10"
    assert cells["Parameters\n"] == "12,345"
    assert cells["Memory\n[MiB]"] == "—"
    assert [cell.text for cell in row(table, "Interpolant")[2:4]] == ["0 of 1 [a]", "—"]
    # Of FFJORD a whole run, of OT-Flow its memory alone.
    other = dict(zip(table.columns, (cell.text for cell in row(table, "OT-Flow")), strict=True))
    assert other["Memory\n[MiB]"] == "— [b]" and other["Parameters\n"] == "10"
    assert "[b] FFJORD on Moons, seed 2; OT-Flow on Moons, seed 0: diverged." in table.notes
    assert any("clock: synchronised" in note and "device: cpu" in note for note in table.notes)


def test_columns_are_those_of_the_records_in_their_order_with_units(costs):
    files = [costs("gaussian", 0, {"parameters": 4.0})]
    files += [costs("ffjord", 0, dict.fromkeys(reversed(KINDS), 1.0))]
    table = cost.table(frames.metrics(files, {}), STYLES, DATASETS)
    assert table.columns == ("Data set\n", "Method\n", "n\n", *HEADINGS)
    assert [cell.text for cell in row(table, "Gaussian")[3:]] == ["—"] * 7 + ["4"]


def test_a_missing_cost_says_why_and_leaves_the_likelihood(costs, record):
    files = [costs("ffjord", 0, {"parameters": 1.0}), record("ot_flow", 0, {"nll": 3.0})]
    frame = frames.metrics(files, {}, {(gap("ot_flow", 0), "cost"): "no file"})
    table = cost.table(frame, STYLES, DATASETS)
    assert [cell.text for cell in row(table, "OT-Flow")[2:]] == ["0 of 1 [a]", "—"]
    assert "[a] OT-Flow on Moons, seed 0: no file." in table.notes
    likelihood = nll.table(frame, STYLES, DATASETS, {})
    assert row(likelihood, "OT-Flow")[1].text == "3.000 (n=1)"


def test_a_column_refuses_two_units(costs):
    frame = frames.metrics([costs("ffjord", k, {"training_seconds": 1.0}) for k in range(2)], {})
    with pytest.raises(ValueError, match="'h'"):
        cost.table(frame.assign(unit=["s", "h"]), STYLES, DATASETS)


def test_interruptions_are_counted_in_a_note_only_where_there_were_any(costs):
    def notes(*counts):
        files = [
            costs(
                *("ffjord", seed),
                {
                    "training_seconds": 1.0,
                    "training_interruptions": float(training),
                    "evaluation_interruptions": float(evaluation),
                },
            )
            for seed, (training, evaluation) in enumerate(counts)
        ]
        frame = frames.metrics(files, {gap("ot_flow", 0): "diverged"})
        table = cost.table(frame, STYLES, DATASETS)
        assert table.columns[3:] == ("Training\n[s]",)
        return [note for note in table.notes if "interrupted" in note]

    assert notes((0, 0), (0, 0)) == []
    assert notes((0, 0), (2, 1)) == [
        "1 run was interrupted and resumed (3 times in all); clocks leave out lost and repeated "
        "work."
    ]
    (note,) = notes((1, 0), (2, 1), (0, 4))
    assert note.startswith("3 runs were interrupted and resumed (8 times in all)")


def test_costs_set_no_two_methods_apart(costs, record):
    files = [record("ffjord", 0, {"nll": 3.0}), record("ot_flow", 0, {"nll": 2.0})]
    files += [costs("ffjord", 0, {"training_interruptions": 0.0})]
    files += [costs("ot_flow", 0, {"training_interruptions": 5.0})]
    table = nll.table(frames.metrics(files, {}), STYLES, DATASETS, {})
    assert [cells[0].text for cells in table.rows if cells[1].bold] == ["OT-Flow"]
    assert len(table.columns) == 2
