"""The audit of log-densities: on the true density, on one that is too good, on a bound."""

import math

import numpy as np
import pytest
from test_sliced_wasserstein import Points, run

from benchmark.data import dataset
from benchmark.data.dataset import Splits
from benchmark.files import write_json
from benchmark.measure.audit import Audit
from benchmark.measure.measurement import Subject, measure
from benchmark.measure.proposal import POINTS, write_points
from benchmark.records import records
from benchmark.report import audits
from benchmark.report import frame as frames
from benchmark.report.labels import Style
from benchmark.report.tables import nll

__all__ = ["run"]  # the fixture

DIM, SCALE, SAMPLES = 3, 2.0, 2000
PROTOCOL = {"solver": "none (a program)"}


def true_log_prob(x):
    """Of ``N(0, 4 I)``, which the data are drawn from."""
    return (-0.5 * (x / SCALE) ** 2 - math.log(SCALE) - 0.5 * math.log(2 * math.pi)).sum(axis=1)


def rows(n, seed, dim=DIM):
    return SCALE * np.random.default_rng(seed).normal(size=(n, dim))


@pytest.fixture
def claimed(run):
    """Writes what a program claims, with this added to its log-density, and audits it."""
    test = rows(400, 1)
    dataset.write(run.data, Points, Splits(rows(1500, 0), rows(9, 2), test), {})
    write_points(run.data, run.audit_points, run.audit_proposal)

    def claimed(added=0.0, samples=None, log_prob=true_log_prob, **likelihood):
        drawn = rows(SAMPLES, 3) if samples is None else samples
        np.save(run.log_prob, log_prob(test) + added)
        np.save(run.samples, drawn)
        np.save(run.points_log_prob, log_prob(np.load(run.audit_points)) + added)
        np.save(run.samples_log_prob, log_prob(drawn) + added)
        write_json(run.likelihood, {"nfe": None, "protocol": PROTOCOL, **likelihood})
        return audited(run)

    return claimed


def audited(run):
    measure(Audit(), Subject("audit", run, "d16e57", "c0ffee"))
    return {record["metric"]: record for record in records.read(run.measurement("audit"))}


def wrong(run):
    """What the report says of it."""
    frame = frames.metrics([run.measurement("audit")], {})
    return audits.marks(frame, run.dataset).get(run.method, {}).get(run.seed)


def test_points_cover_the_data_and_have_the_density_that_is_said(run, claimed):
    found = claimed()
    points, known = np.load(run.audit_points), np.load(run.audit_proposal)
    assert points.shape == (POINTS, DIM) and known["test"].shape == (400,)
    assert points.std() > 1.1 * SCALE
    # The mean of p / q over points of q is the mass of p, which is 1.
    assert found["audit_mass"]["value"] == pytest.approx(1, abs=0.1)
    assert found["audit_ess"]["value"] > 0.3 * POINTS


def test_nothing_is_wrong_with_the_true_density(run, claimed):
    found = claimed()
    for metric, right in (("audit_mass", 1.0), ("audit_excess", 0.0)):
        record = found[metric]
        bias = found["audit_bias"]["value"] if metric == "audit_excess" else 0.0
        assert abs(record["value"] - right) < 4 * record["standard_error"] + bias
    assert wrong(run) is None


def test_one_that_is_too_good_has_too_much_mass(run, claimed):
    found = claimed(added=0.5)
    mass = found["audit_mass"]
    assert abs(mass["value"] - math.exp(0.5)) < 4 * mass["standard_error"]
    excess, bias = found["audit_excess"], found["audit_bias"]["value"]
    assert abs(excess["value"] + 0.5) < 4 * excess["standard_error"] + bias
    assert "too high" in wrong(run) and "above minus their entropy" in wrong(run)


def test_a_bound_has_too_little(run, claimed):
    found = claimed(added=-0.5)
    mass = found["audit_mass"]
    assert abs(mass["value"] - math.exp(-0.5)) < 4 * mass["standard_error"]
    assert "a bound" in wrong(run) and "below minus their entropy" in wrong(run)


def test_samples_of_another_density_are_told(run, claimed):
    excess = claimed(samples=0.8 * rows(SAMPLES, 3))["audit_excess"]  # of a lower temperature
    # Their KL divergence from the density, d (log 1 / r + (r^2 - 1) / 2).
    known = DIM * (-math.log(0.8) + (0.8**2 - 1) / 2)
    assert excess["value"] == pytest.approx(known, abs=0.1)
    assert "samples of another density" in wrong(run) and "mass of" not in wrong(run)


def test_a_density_that_the_points_miss_cannot_be_told(run, claimed):
    """Nearly all of its mass, and of the data that it was fitted to, lies where points are few."""
    far = 60.0

    def moved(x):
        return true_log_prob(x - far)

    claimed(log_prob=lambda x: np.logaddexp(true_log_prob(x), moved(x)) - math.log(2))
    test = np.concatenate([rows(200, 1), far + rows(200, 5)])
    halves = np.logaddexp(true_log_prob(test), moved(test)) - math.log(2)
    np.save(run.log_prob, halves)
    with np.load(run.audit_proposal) as known:
        np.savez(
            run.audit_proposal,
            points=known["points"],
            test=np.append(known["test"][:200], [-400.0] * 200),
        )
    reason = audited(run)["audit_mass"]["reason"]
    assert reason.startswith("cannot be told") and "points are effective, below 100" in reason


def test_many_dimensions_leave_both_untold(run):
    class Wide(Points):
        event = (40,)

    data = [rows(n, seed, 40) for n, seed in ((1500, 0), (9, 2), (400, 1))]
    dataset.write(run.data, Wide, Splits(*data), {})
    write_points(run.data, run.audit_points, run.audit_proposal)
    narrow = 0.5  # where a broadened Gaussian has next to no points
    drawn = narrow * rows(300, 3, 40)
    for path, x in (
        *((run.points_log_prob, np.load(run.audit_points)), (run.log_prob, data[2])),
        *((run.samples_log_prob, drawn),),
    ):
        np.save(path, true_log_prob(x / narrow) - 40 * math.log(narrow))
    np.save(run.samples, drawn)
    write_json(run.likelihood, {"nfe": None, "protocol": PROTOCOL})
    found = audited(run)
    for metric in ("audit_mass", "audit_excess"):
        assert found[metric]["reason"].startswith("cannot be told"), found[metric]
    assert wrong(run) is None


def test_what_a_program_does_not_give_cannot_be_told(run, claimed):
    claimed()
    run.points_log_prob.unlink()
    run.samples_log_prob.unlink()
    found = audited(run)
    assert found["audit_mass"]["reason"] == (
        "cannot be told: the program gives no points_log_prob.npy"
    )
    assert "gives no samples_log_prob.npy" in found["audit_excess"]["reason"]
    assert claimed(reason="it has none")["audit_mass"]["reason"] == "it has none"
    assert "random error" in claimed(probe_error=0.01)["audit_mass"]["reason"]


def test_another_number_of_log_densities_is_refused(run, claimed):
    claimed()
    np.save(run.points_log_prob, np.zeros(7))
    with pytest.raises(ValueError, match=r"points_log_prob.npy: found the shape \(7,\)"):
        audited(run)


# --- in the table ---------------------------------------------------------------------------------

STYLES = {"foreign": Style("Foreign", "#000000")}
LABELS = {"points": "Points"}


def table(run):
    found = {"measurement": "nll", "compared": [], "protocol": PROTOCOL, "provenance": {}}
    shared = {"suite": "toy", "dataset": "points", "method": "foreign", "seed": 0, **found}
    number = {"metric": "nll", "heading": "NLL", "value": 6.3, "standard_error": 0.02}
    more = {"unit": "nats", "n": 400, "direction": "lower", "reason": None}
    write_json(run.measurement("nll"), {"records": [{**shared, **number, **more}]})
    files = [run.measurement("nll"), run.measurement("audit")]
    frame = audits.withheld(frames.metrics(files, {}))
    made = nll.table(frame, STYLES, LABELS, {})
    return made.rows[0][1].text, " ".join(made.notes)


def test_the_table_says_what_is_told(run, claimed):
    claimed()
    text, notes = table(run)
    assert "[" not in text
    assert "Points: audit, mass: nothing wrong found (Foreign)." in notes
    claimed(added=-0.5)
    text, notes = table(run)
    assert text.startswith("6.30") and text.endswith("[a]")
    assert "[a] Foreign on Points, seed 0: its density has a mass of 0.6" in notes
    assert "nothing wrong" not in notes
    run.points_log_prob.unlink()
    audited(run)
    assert (
        "audit, mass: cannot be told: the program gives no points_log_prob.npy (Foreign)"
        in (table(run)[1])
    )


def test_a_log_density_that_is_too_high_has_no_nll(run, claimed):
    claimed(added=0.5)
    text, notes = table(run)
    assert text == "— [a]"
    assert "[a] Foreign on Points, seed 0: its density has a mass of 1.6" in notes
