"""The workflow with an archive: only what it lacks is trained."""

from checkout import Checkout
from finished import config, finish, loaded, mine, prepare_rows

from benchmark.jobs import archive

TABLES = ("results/compared/tables/nll.md", "results/compared/tables/cost.md")


def test_only_the_new_method_is_trained(asked_here, single_precision, tmp_path, monkeypatch):
    checkout = Checkout(tmp_path / "clone")
    (tmp_path / "first").mkdir()
    monkeypatch.chdir(tmp_path / "first")
    suite, tasks = loaded(config())
    prepare_rows(suite, tasks)
    finish(suite, tasks)
    archive.packed(suite).write(checkout.folder / "toy.crate.zip")
    own = {**mine(), "seeds": [0]}
    checkout.configure(config("compared", "toy.crate.zip", mine=own))
    planned = checkout.planned()
    assert {rule for rule in planned if rule.startswith("train_")} == {"train_mine"}
    assert sum(rule.startswith("take_") for rule in planned) == 4 and planned["evaluate"] == 1
    made = checkout.snakemake(*TABLES, "--cores", "2")
    assert made.returncode == 0, made.stdout
    nll, cost = ((checkout.folder / table).read_text() for table in TABLES)
    assert "Mine" in nll and "Not made here, but taken from toy.crate.zip" in nll
    assert "FFJORD (another machine)" in cost and "Mine (another" not in cost
    again = checkout.snakemake(*TABLES, "--dry-run")
    assert "Nothing to be done" in again.stdout
