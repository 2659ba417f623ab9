"""Facts about classes are those of the classes, in whatever module they lie and however written."""

import copy
import importlib
import inspect
import pkgutil
import textwrap

import pytest
from suites import MNIST, method, put, refused

from benchmark import baselines, data, flow, measure, networks
from benchmark.data.dataset import Dataset
from benchmark.jobs.describe import answer, facts_of, kind_of
from benchmark.measure.measurement import Measurement
from benchmark.networks.network import Network
from benchmark.report.outputs import outputs
from benchmark.suite.load import load


def classes():
    """All classes of the library that a suite can name, by their dotted names."""
    for package in (baselines, networks, data, measure):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            imported = importlib.import_module(module.name)
            for name, kind in vars(imported).items():
                ours = isinstance(kind, type) and kind.__module__ == module.name
                if ours and kind_of(kind) != "something else" and not inspect.isabstract(kind):
                    yield f"{module.name}.{name}", kind


CLASSES = dict(classes())
KINDS = {
    "benchmark.baselines.ffjord.FFJORD": "flow",
    "benchmark.baselines.interpolant.InterpolantFlow": "flow",
    "benchmark.baselines.ot_flow.OTFlow": "flow",
    "benchmark.baselines.oracle.OracleFlow": "flow",
    "benchmark.baselines.oracle.Oracle": "closed form",
    "benchmark.baselines.gaussian.Gaussian": "closed form",
    "benchmark.baselines.spline_flow.SplineFlow": "density",
    "benchmark.networks.mlp.MLP": "network",
    "benchmark.data.mnist.MNIST": "data set",
    "benchmark.measure.nll.NLL": "measurement",
}


# Facts == class


def test_kinds_are_known():
    assert {name: facts_of(CLASSES[name]).kind for name in KINDS if name in CLASSES} == {
        name: kind for name, kind in KINDS.items() if name in CLASSES
    }
    assert set(KINDS) - set(CLASSES) <= {"benchmark.baselines.spline_flow.SplineFlow"}
    assert len(CLASSES) > 30


@pytest.mark.parametrize("name", CLASSES)
def test_facts_are_those_of_the_class(name):
    kind, facts = CLASSES[name], answer(name, {}).facts
    assert (facts.part == "method") == issubclass(kind, flow.Method)
    assert (facts.kind == "flow") == issubclass(kind, flow.Flow)
    assert (facts.kind == "closed form") == issubclass(kind, flow.ClosedForm)
    assert (facts.kind == "data set") == issubclass(kind, Dataset)
    assert (facts.kind == "network") == issubclass(kind, Network)
    assert (facts.kind == "measurement") == issubclass(kind, Measurement)
    for attribute in ("requires", "accepts", "trained", "takes", "needs", "writes", "light"):
        if hasattr(kind, attribute):
            assert getattr(facts, attribute) == getattr(kind, attribute)
    for attribute in ("event", "levels", "picture", "density"):
        if issubclass(kind, Dataset):
            assert getattr(facts, attribute) == getattr(kind, attribute)
    own = getattr(kind, "diagnostics", None)
    assert facts.diagnostics == (facts.part == "method" and own is not flow.Method.diagnostics)


def test_what_a_class_calls_as_a_fact_of_other_parts_is_its_own_matter():
    class Mixture(flow.Method):
        light = "no fact of a method"

        def density(self):
            raise NotImplementedError

        def event(self):
            raise NotImplementedError

    assert facts_of(Mixture) == facts_of(flow.Method)


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_are_those_of_the_signature(name):
    kind = CLASSES[name]
    maker = kind
    if issubclass(kind, flow.Method | Dataset):
        maker = kind.build if issubclass(kind, flow.Method) else kind.prepare
    given = {"event", "base_rows", *getattr(kind, "requires", ())}
    named = {key: p for key, p in inspect.signature(maker).parameters.items() if key not in given}
    needed = {key for key, parameter in named.items() if parameter.default is parameter.empty}
    problems = answer(name, {"no_such": 1}).problems
    assert {p.where[0] for p in problems if p.kind == "missing"} == needed
    assert [set(p.allowed) for p in problems if p.kind == "extra_forbidden"] == [set(named)]


# However a class is written


@pytest.fixture
def mine(toy, tmp_path):
    """Writes a module of one's own in a folder of ``python_path``; gives its name."""
    toy["python_path"] = [str(tmp_path)]

    def mine(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    return mine


FLAT = """
    from typing import ClassVar

    from benchmark.baselines.ffjord import FFJORD

    class Flat(FFJORD):
        requires: ClassVar[tuple[str, ...]] = ("plane",)

        @classmethod
        def build(cls, event, network, *, depth: int = 2, rough):
            raise NotImplementedError
"""


def test_keyword_only_arguments_and_those_without_annotation(toy, mine):
    module, suite = mine("written_arguments", FLAT), toy["suites"]["toy"]
    put(suite, "methods/ffjord/class", f"{module}.Flat")
    put(suite, "methods/ffjord/model", {"network": "any", "rough": {"as": "it is"}})
    load(toy)
    put(suite, "methods/ffjord/model", {"network": "any", "deep": 3, "depth": "3"})
    told = refused(toy, rf"methods.ffjord.model.rough is missing; {module}.Flat needs it\.$|rough")
    assert ".methods.ffjord.model.rough is missing; written_arguments.Flat needs it." in told
    assert ".methods.ffjord.model.depth is '3'; allowed is a whole number. YAML reads it" in (
        " ".join(told)
    )
    assert any("key 'deep' is unknown; allowed: depth, network, rough" in line for line in told)


def test_requirements_may_be_annotated(toy, mine):
    module, suite = mine("written_requirements", FLAT), toy["suites"]["toy"]
    put(suite, "methods/ffjord/class", f"{module}.Flat")
    put(suite, "methods/ffjord/model", {"network": "any", "rough": 1})
    load(toy)
    put(suite, "methods/ffjord/datasets", ["digits"])
    refused(toy, r"ffjord: cannot run on digits: it needs points of the plane \(events of shape")


def test_attributes_of_a_data_set_may_be_computed(toy, mine):
    text = """
        from benchmark.data.digits import Digits

        SIDE = 8

        class Squares(Digits):
            event = (SIDE * SIDE,)
            levels = 2**8
            picture = (1, SIDE, SIDE)
    """
    put(toy["suites"]["toy"], "datasets/digits/class", f"{mine('written_squares', text)}.Squares")
    facts = load(toy).dataset_facts("digits")
    assert (facts.event, facts.levels, facts.picture) == ((64,), 256, (1, 8, 8))


def test_a_subclass_in_another_module_has_what_its_base_has(toy, mine):
    text = """
        from benchmark.baselines.interpolant import InterpolantFlow
        from benchmark.data.mnist import MNIST

        class Mine(InterpolantFlow):
            pass

        class Digits(MNIST):
            levels = 2
    """
    module, suite = mine("written_subclasses", text), toy["suites"]["toy"]
    put(suite, "methods/interpolant/class", f"{module}.Mine")
    put(suite, "methods/interpolant/datasets", ["digits"])
    suite["datasets"]["mnist"] = {**copy.deepcopy(MNIST), "class": f"{module}.Digits"}
    for name in ("ffjord", "gaussian"):
        put(suite, f"methods/{name}/datasets", ["eight_gaussians"])
    loaded = load(toy)
    assert loaded.is_flow("interpolant") and loaded.has_diagnostics("interpolant")
    assert loaded.method_facts("interpolant").accepts == ("base",)
    facts = loaded.dataset_facts("mnist")
    assert (facts.event, facts.levels, facts.picture) == ((1, 28, 28), 2, (1, 28, 28))
    put(suite, "datasets/mnist/arguments/test", 5)
    refused(toy, r"datasets.mnist.arguments: key 'test' is unknown; allowed: source, validation")


def test_a_class_may_have_a_function_called_prepare_or_build_that_is_its_own(toy, mine):
    text = """
        from benchmark.baselines.gaussian import Gaussian
        from benchmark.data.digits import Digits

        class Preparing(Gaussian):
            def prepare(self, rows: int) -> int:
                return rows

        class Building(Digits):
            @classmethod
            def build(cls, bricks: int) -> int:
                return bricks
    """
    module, suite = mine("written_prepare", text), toy["suites"]["toy"]
    put(suite, "methods/gaussian/class", f"{module}.Preparing")
    put(suite, "datasets/digits/class", f"{module}.Building")
    loaded = load(toy)
    assert loaded.method_facts("gaussian").kind == "closed form"
    assert loaded.dataset_facts("digits").kind == "data set"
    put(suite, "methods/gaussian/model/rows", 5)
    refused(toy, r"methods.gaussian.model: key 'rows' is unknown; allowed: none\.")


def test_a_network_of_ones_own_is_refused_on_rows_that_it_does_not_take(toy, mine):
    text = """
        from benchmark.networks.concatsquash import ConcatSquashMLP

        class Pictures(ConcatSquashMLP):
            takes = ("images",)
    """
    module, suite = mine("written_network", text), toy["suites"]["toy"]
    put(suite, "methods/ffjord/model/network/class", f"{module}.Pictures")
    refused(
        toy,
        rf"methods.ffjord: its network {module}.Pictures cannot run on eight_gaussians: it needs "
        r"images \(events of three axes\). Set its 'datasets' to some of: none",
    )


@pytest.mark.parametrize("statement", ["import no_package.part", "from no_package import thing"])
def test_a_package_that_is_not_installed_is_named_before_any_job(toy, mine, statement):
    module = mine(f"needy_{statement[:4].strip()}", f"{statement}\nclass Method:\n    pass\n")
    put(toy["suites"]["toy"], "methods/ffjord/class", f"{module}.Method")
    refused(toy, rf"ffjord.class: {module}.Method imports 'no_package', which is not.*extras")


@pytest.mark.parametrize(
    ("text", "message"),
    [("def (", "SyntaxError: invalid syntax"), ("1 / 0", "ZeroDivisionError: division by zero")],
)
def test_a_module_that_cannot_be_imported_is_named(toy, mine, text, message):
    module = mine(f"broken_{message[:4]}", text)
    put(toy["suites"]["toy"], "methods/ffjord/class", f"{module}.Method")
    refused(toy, rf"methods.ffjord.class: {module}.Method cannot be imported: {message}")


# Flows and other densities


def test_flows_are_told_from_closed_forms(toy):
    suite = load(toy)
    flows = {name: suite.is_flow(name) for name in suite.methods}
    assert flows == {"interpolant": True, "ffjord": True, "gaussian": False, "oracle": False}


def test_only_the_density_of_the_data_is_the_target(toy, mine):
    module = mine("truth", "from benchmark.baselines.oracle import Oracle as Truth")
    truth = method("oracle", label="Truth", **{"class": f"{module}.Truth"})
    put(toy["suites"]["toy"], "methods/truth", truth)
    flow = {
        "label": "Flow",
        "class": "benchmark.baselines.oracle.OracleFlow",
        "model": {"path": "linear"},
    }
    put(toy["suites"]["toy"], "methods/flow", method("oracle", **flow))
    suite = load(toy)
    assert [name for name in suite.methods if suite.is_oracle(name)] == ["oracle", "truth"]


def test_methods_that_record_diagnostics_are_known(toy, tmp_path):
    (tmp_path / "other.smk").touch()
    entry = {"label": "Other", "colour": "#123456", "rules": str(tmp_path / "other.smk")}
    put(toy["suites"]["toy"], "methods/other", entry)
    suite = load(toy)
    assert [name for name in suite.methods if suite.has_diagnostics(name)] == ["interpolant"]


def test_the_spline_flow_is_a_density_that_has_no_path(toy):
    pytest.importorskip("zuko")
    methods = toy["suites"]["toy"]["methods"]
    paths = [output.name for output in outputs(load(toy)) if "path" in output.rule]
    assert paths
    entry = method("ffjord", **{"class": "benchmark.baselines.spline_flow.SplineFlow"})
    entry["model"] = {"transforms": 2, "width": 8, "depth": 1, "bins": 4}
    methods["spline"] = {**entry, "label": "Spline"}
    suite = load(toy)
    assert suite.method_facts("spline").kind == "density" and not suite.is_flow("spline")
    planned = outputs(suite)
    assert [output.name for output in planned if "path" in output.rule] == paths
    needed = {str(file) for output in planned for file in output.inputs}
    assert any("spline" in file and "density" in file for file in needed)
    assert not any("spline" in file and "path" in file for file in needed)
