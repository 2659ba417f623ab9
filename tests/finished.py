"""A finished toy suite without its trainings: files as the jobs write them, and their records."""

import copy
from datetime import datetime

import numpy as np
from reported import MODEL
from suites import TOY, method

from benchmark import parts
from benchmark.data.description import describe
from benchmark.files import write_json
from benchmark.jobs import measure, prepare, take
from benchmark.jobs.tasks import Tasks
from benchmark.suite.load import load

PROTOCOL = {
    **{"solver": "dopri5", "atol": 1.0e-3, "rtol": 1.0e-3, "divergence": "exact"},
    **{"dequantisation": "uniform, seed 0, 1 pass"},
}
CURVE = "step,seconds,loss,validation_nll\n0,0.0,,4.0\n5,0.1,3.0,\n10,0.2,2.5,3.5\n"
NOON = datetime(2026, 1, 2, 12)


def config(name="toy", archive=None, **methods):
    """The toy config under another name, of ``methods`` and those of an archive."""
    content = copy.deepcopy(TOY)
    suite = content["suites"].pop("toy")
    suite["datasets"].pop("digits")
    suite["methods"] = {key: suite["methods"][key] for key in ("interpolant", "ffjord", "oracle")}
    suite["methods"] |= methods
    if archive is not None:
        suite["results_from"] = str(archive)
    return {**content, "suite": name, "suites": {name: suite}}


def mine(seed=0):
    """The entry of a method that no archive has."""
    return method("gaussian", label="Mine", colour="#882255", seeds=[seed, seed + 1])


def do(function, job):
    """A job of the workflow, in this process."""
    function(**parts.convert(function, job.arguments))


def loaded(content):
    """A suite and its jobs."""
    suite = load(content)
    return suite, Tasks(suite, content)


def prepare_rows(suite, tasks):
    """The rows of a suite."""
    for dataset in suite.datasets:
        file = suite.prepared_file(dataset)
        file.parent.mkdir(parents=True, exist_ok=True)
        do(prepare.prepare, tasks.prepare(dataset, str(file)))
        do(prepare.publish, tasks.publish(dataset))


def finish(suite, tasks, shift=0.0):
    """Every run of a suite, as if its jobs had succeeded; those of archives are taken."""
    for number, run in enumerate(suite.runs):
        run.folder.mkdir(parents=True, exist_ok=True)
        if run.method in suite.archives:
            do(take.take, tasks.take(run))
        else:
            _write(suite, run, number, shift)
            for name in ("nll", "cost"):
                do(measure.light, tasks.measure(name, run))


def _write(suite, run, number, shift):
    truth = np.load(run.data / "true_log_prob_test.npy")
    draw = np.random.default_rng([number, len(run.method)])
    worse = 0.0 if run.method == "oracle" else 0.3 + 0.1 * draw.random(len(truth)) + shift
    np.save(run.log_prob, truth - worse)
    event = describe(run.data).event
    np.save(run.samples, draw.random(size=(30, *event)).astype(np.float32))
    run.weights.touch()
    run.history.write_text(CURVE)
    time = {"time": NOON.replace(minute=number).isoformat(timespec="seconds")}
    made, expected = {**time, "commit": "abc123def456", "device": "cpu"}, suite.expected(run)
    fit = {"config": expected.train_config, "source": expected.train_source}
    likelihood = {"config": expected.evaluate_config, "source": expected.evaluate_source}
    write_json(run.model, {**MODEL, "provenance": {**made, **fit}})
    trained = {"trained": run.method not in ("oracle", "mine")}
    measured = {**made, **likelihood}
    tight = {"tight_log_prob": [-3.0], "loose_log_prob": [-3.0]}
    about = {"nfe": 20.0, "nodes": 7.0, "protocol": {**PROTOCOL, **trained}, "provenance": measured}
    write_json(run.likelihood, {**about, **tight})
    clocks = {"training_seconds": 2.0 + number, "samples_per_second": 100.0}
    both = {"provenance": measured, "training_provenance": measured}
    write_json(run.cost, {**clocks, "protocol": trained, **both})
    if run.method == "oracle":
        extent = np.array([-4.0, 4.0, -4.0, 4.0])
        np.savez(run.density, log_density=-np.ones((4, 4)), extent=extent, source="s")
