"""The layers of the package: a module imports only from layers below its own."""

import subprocess
import sys

from benchmark.source import ROOT, file_of, imports_of

LAYERS = [
    {
        "",
        "data",
        "networks",
        "baselines",
        "shapes",
        "names",
        "files",
        "source",
        "locks",
        "progress",
        "memory",
        "significance",
        "parallel",
    },
    {
        "densities",
        "interpolants",
        "divergence",
        "coordinates",
        "ode",
        "records",
        "log",
        "ascent",
        "checkpoint",
        "table",
        "published",
        "frechet",
    }
    | {"networks.potential", "data.dataset", "data.fetch", "data.frame"},
    {"likelihood", "sde", "networks.network", "wasserstein", "machine", "features", "origin"}
    | {"rows"},
    {"networks.mlp", "networks.concatsquash", "networks.unet", "oracles", "diffusion"},
    {"flow", "config", "metrics", "plots", "tables", "prepare"}
    | {"data.synthetic", "data.digits", "data.mnist", "data.patches", "data.table"}
    | {"data.papamakarios", "data.cifar", "data.imagenet", "data.flowers"},
    {"training", "model", "comparisons", "reproduction", "data.subsets", "reference"}
    | {"baselines.interpolant", "baselines.ffjord", "baselines.ot_flow", "baselines.score_sde"}
    | {"baselines.gaussian", "baselines.oracle"}
    | {"baselines.ot_cfm", "baselines.spline_flow"},
    {"evaluation", "report", "target", "bench", "bench.problem", "bench.rounds"},
    {"steps", "quality"} | {"bench.likelihood", "bench.training", "bench.frechet", "bench.images"},
    {"bench.__main__", "launch"},
]
"""From the bottom up. A new module has to be placed; there are no sideways imports."""

LEVEL = {
    f"benchmark.{name}".rstrip("."): level for level, names in enumerate(LAYERS) for name in names
}

WITHOUT_TORCH = ["config", "report", "tables", "plots", "metrics", "records", "source", "progress"]
WITHOUT_TORCH += ["significance", "table", "comparisons", "published"]
WITHOUT_TORCH += ["reproduction", "target", "frechet"]
"""What the workflow imports at its start, and what foreign programs' results need."""


def modules():
    for path in (ROOT / "benchmark").rglob("*.py"):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_has_one_place():
    assert sorted(LEVEL) == sorted(modules())
    assert sum(map(len, LAYERS)) == len(LEVEL)


def test_imports_point_down():
    for module in modules():
        for imported in imports_of(module):
            assert LEVEL[imported] < LEVEL[module], f"{module} may not import {imported}"


def test_nobody_imports_a_method():
    importers = [*modules(), *(f"workflow.scripts.{p.stem}" for p in scripts())]
    for module in importers:
        methods = {name for name in imports_of(module) if name.startswith("benchmark.baselines")}
        assert not methods, f"{module} may not import {methods}: config.yaml names classes"


def scripts():
    return (ROOT / "workflow" / "scripts").glob("*.py")


def test_imports_are_absolute():
    # `imports_of` does not follow relative imports: Snakemake would not see an edit behind one.
    for module in modules():
        lines = file_of(module).read_text().splitlines()
        assert not [line for line in lines if line.strip().startswith("from .")], module


def test_reading_configs_and_records_needs_no_torch():
    # A second of start-up for each of Snakemake's processes otherwise.
    names = ", ".join(f"benchmark.{name}" for name in WITHOUT_TORCH)
    program = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
