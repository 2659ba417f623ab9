"""Which tables and figures a suite has, from which files; every writer, from files alone."""

import subprocess
import sys

import pytest
from reported import finish, prepare, suite

from benchmark import names
from benchmark.files import write_json
from benchmark.report.outputs import outputs, outputs_with_gaps, write
from benchmark.source import ROOT
from benchmark.suite.models import Published

TABLES = {"metrics", "tables/nll", "tables/cost", "tables/significance"}
LEARNED = {"figures/learning_curves", "figures/nll_time"}
AGAINST = Published.model_validate({"as": "power", "tolerance": 0.25})


def named(made):
    return {output.name: output for output in outputs(made)}


def everything():
    return suite(
        *("plane", "between", "images", "table"),
        methods=("ffjord", "ot_flow", "oracle", "other"),
        published={"plane": AGAINST},
        further=("sliced", "spread"),
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (suite("table", methods=("other",)), TABLES | {"figures/samples_table"}),
        (suite("table", methods=("ffjord",)), TABLES | LEARNED | {"figures/samples_table"}),
        (
            suite("plane", methods=("oracle",)),
            TABLES | {"figures/samples_plane", "figures/density"},
        ),
        (
            suite("plane", methods=("ffjord",)),
            TABLES | LEARNED
            | {"figures/samples_plane", "figures/density", "figures/path_plane"},
        ),
        (
            suite("between", methods=("ot_flow",)),
            TABLES | LEARNED | {"figures/samples_between", "figures/diagnostics"},
        ),
        (
            suite("images", methods=("ffjord",)),
            TABLES | LEARNED
            | {"figures/samples_images", "figures/path_images", "figures/nearest_images"}
            | {"figures/distances", "tables/distances"},
        ),
        (
            suite("table", methods=("other",), further=("sliced", "spread")),
            TABLES | {"figures/samples_table", "tables/sliced", "tables/spread"},
        ),
    ],
)  # fmt: skip
def test_a_suite_has_the_outputs_that_can_be_made_of_it(made, expected):
    assert set(named(made)) == expected | {f"data/{name}" for name in made.datasets}


def test_published_results_are_one_table_and_for_a_target_one_of_each_data_set():
    made = suite("plane", "table", published={"plane": AGAINST, "table": AGAINST})
    tables = {o.name: o for o in outputs(made) if o.name.startswith("tables/reproduction")}
    assert {name: output.on_request for name, output in tables.items()} == {
        "tables/reproduction": False,
        "tables/reproduction_plane": True,
        "tables/reproduction_table": True,
    }
    alone = tables["tables/reproduction_table"]
    assert alone.arguments == ("reproduction_table", "table")
    assert {file.parts[2] for file in alone.inputs} == {"table"}  # waits for no other data set
    assert alone.outputs[-1].name == "reproduction_table.json"


def test_rules_and_files_are_unique_and_every_writer_is_there():
    made = outputs(everything())
    assert len({output.rule for output in made}) == len({o.name for o in made}) == len(made)
    assert all(output.rule.isidentifier() for output in made)
    files = [file for output in made for file in output.outputs]
    assert len(set(files)) == len(files)
    assert all(callable(names.load(output.writer)) for output in made)
    rules = {output.name: output.rule for output in made}
    assert rules["figures/samples_plane"] == "samples_figure_plane"
    assert rules["tables/nll"] == "nll_table" and rules["data/plane"] == "data_card_plane"


def test_planning_imports_no_writer():
    # The workflow plans in every one of its processes.
    heavy = ("torch", "pandas", "matplotlib", "seaborn", "scipy")
    program = f"import sys, benchmark.report.outputs; print(*(set({heavy}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_inputs_are_files_of_the_runs_that_are_shown():
    made = everything()
    known = named(made)
    first = [run for run in made.runs if run.seed == 0]
    samples = known["figures/samples_between"].inputs
    assert set(samples) == {
        first[4].data,
        *(run.samples for run in first[4:8]),
        *(run.measurement("nll") for run in first[4:8]),
        *(run.samples_base for run in first[4:6]),
    }
    path = known["figures/path_plane"].inputs
    assert set(path) == {
        *(run.path for run in first[:2]),
        first[2].density,
        *(run.measurement("nll") for run in first[:3]),
    }
    density = {file for file in known["figures/density"].inputs if file.suffix == ".npz"}
    assert density == {run.density for run in first[:3]}  # of the plane, of this library
    records = {run.measurement(name) for run in made.runs for name in made.measurements_of(run)}
    assert set(known["metrics"].inputs) == records


def test_labels_concern_all_terms_only_tables_and_colours_only_figures():
    made = suite("plane", methods=("ffjord",))
    before = {name: output.shows for name, output in named(made).items()}
    made.comparison_terms = "Other terms."
    changed = {name for name, output in named(made).items() if output.shows != before[name]}
    assert changed == TABLES - {"metrics"}
    before = {name: output.shows for name, output in named(made).items()}
    made.methods["ffjord"].colour = "#000000"
    changed = {name for name, output in named(made).items() if output.shows != before[name]}
    assert changed == {name for name in before if name.startswith("figures/")}
    before = {name: output.shows for name, output in named(made).items()}
    made.methods["ffjord"].label = "Other"
    changed = {name for name, output in named(made).items() if output.shows != before[name]}
    assert changed == set(before) - {"metrics", "data/plane"}
    made.datasets["plane"].label = "Other"
    assert named(made)["data/plane"].shows != before["data/plane"]


def fill(made):
    for name in made.datasets:
        prepare(name)
    for run in made.runs:
        finish(made, run)
    return made


@pytest.fixture
def finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return fill(everything())


def test_every_output_is_written_from_files_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = ("ot_flow", "oracle")
    more = {"published": {"plane": AGAINST}, "further": ("sliced",)}
    finished = fill(suite("plane", "between", "images", methods=methods, seeds=1, **more))
    for output in outputs(finished):
        assert all(file.exists() or file.suffix == ".parquet" for file in output.inputs), output
        write(finished, output.name)
        assert all(file.stat().st_size for file in output.outputs), output.name
    text = (folder_of(finished) / "tables/sliced.md").read_text()
    assert "Sliced, suite toy. One budget." in text and "OT_FLOW" in text


def folder_of(made):
    return made.runs[0].method_folder.parent.parent


def test_with_gaps_the_outputs_are_made_of_what_is_there(finished):
    failed, table = finished.runs[0], finished.runs[-1]
    write_json(failed.folder / "train.failure.json", {"reason": "diverged", "log": "train.log"})
    finished.runs[8].path.unlink(missing_ok=True)
    (table.data / "data.json").unlink()
    left = {output.name: output for output in outputs_with_gaps(finished)}
    assert set(named(finished)) - set(left) == {"figures/samples_table", "data/table"}
    for output in left.values():
        assert all(file.exists() or file.suffix == ".parquet" for file in output.inputs)
        assert not any(failed.folder in file.parents for file in output.inputs)
        assert not any(table.folder in file.parents for file in output.inputs)
    for name in ("metrics", "tables/nll", "figures/samples_plane", "figures/nll_time"):
        write(finished, name)
        assert all(file.stat().st_size for file in left[name].outputs), name
    text = (folder_of(finished) / "tables/nll.md").read_text()
    assert "FFJORD on Plane, seed 0: diverged." in text
    frame = folder_of(finished) / "metrics.parquet"
    assert frame in left["tables/nll"].inputs  # made by another of them


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="found 'nll'; allowed are metrics, tables/nll"):
        write(suite("plane"), "nll")


def test_tables_name_the_commit_of_results_that_were_kept(finished):
    run, other = finished.runs[0], finished.runs[2]
    finished.kept = {
        "a" * 40: [str(run.folder)],
        "b" * 40: [str(other.measurement("sliced"))],
        "c" * 40: ["results/another/suite"],
        "d" * 40: [],
    }
    texts = {}
    for name in ("metrics", "tables/nll", "tables/sliced", "tables/cost"):
        write(finished, name)
        file = folder_of(finished) / f"{name}.md"
        texts[name] = file.read_text() if file.exists() else ""

    def kept(name):
        lines = texts[name].splitlines()
        return [line.rpartition(" ")[2][0] for line in lines if "Kept after edits" in line]

    assert kept("tables/nll") == kept("tables/cost") == ["a"]
    assert kept("tables/sliced") == ["a", "b"]
    said = "Kept after edits of the code: results made at commit aaaaaaaaaaaa."
    assert said in texts["tables/nll"]
