"""What a module may import. The layers are contracts of import-linter (pyproject.toml)."""

import subprocess
import sys

from benchmark.source import ROOT, imports_of

WITHOUT_TORCH = [
    *("suite.config", "suite.target", "suite.published", "report.report", "report.reproduction"),
    *(
        "measure.nll",
        "measure.cost",
        "measure.frechet",
        "records.records",
        "runtime.progress",
        "source",
    ),
]
"""What the workflow imports at its start, and what foreign programs' results need."""


def modules():
    for path in (ROOT / "benchmark").rglob("*.py"):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_nobody_imports_a_method():
    importers = [*modules(), *(f"workflow.scripts.{p.stem}" for p in scripts())]
    for module in importers:
        methods = {name for name in imports_of(module) if name.startswith("benchmark.baselines")}
        assert not methods, f"{module} may not import {methods}: config.yaml names classes"


def scripts():
    return (ROOT / "workflow" / "scripts").glob("*.py")


def test_reading_configs_and_records_needs_no_torch():
    # A second of start-up for each of Snakemake's processes otherwise.
    names = ", ".join(f"benchmark.{name}" for name in WITHOUT_TORCH)
    program = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
