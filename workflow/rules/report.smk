LABELS = {
    name: entry["label"] for name, entry in {**SUITE.datasets, **SUITE.methods}.items()
}
STYLES = {
    name: [entry["label"], entry["colour"]] for name, entry in SUITE.methods.items()
}
PLANE = [
    run
    for run in report.first_runs(SUITE)
    if SUITE.event(run.dataset) == (2,)
    and SUITE.is_ours(run.method)
    and not SUITE.has_base(run.dataset)
]
TRAINED = [run for run in SUITE.runs if SUITE.is_trained(run)]
DIAGNOSED = [run for run in TRAINED if SUITE.has_diagnostics(run.method)]
FLOWS = [
    run
    for run in [
        *PLANE,
        *(r for r in report.first_runs(SUITE) if r.dataset in SUITE.images),
    ]
    if SUITE.is_flow(run.method)
]
BETWEEN = [
    run
    for run in report.first_runs(SUITE)
    if SUITE.has_base(run.dataset) and SUITE.is_flow(run.method)
]
IMAGES = [
    run
    for run in SUITE.runs
    if run.dataset in SUITE.images and SUITE.is_ours(run.method)
]
FLOORS = [
    path
    for path in (FOLDER / name / "features" / "floor.json" for name in SUITE.images)
    if not GAPS or path.exists()
]
PUBLISHED = [f"{FOLDER}/tables/reproduction.json"] if SUITE.published else []


rule tables:
    input:
        records=runs("nll.json", "cost.json"),
        rows=runs("log_prob.npy"),
        quality=runs(report.QUALITY, of=IMAGES),
        floors=FLOORS,
        code=[
            *files_of("benchmark.report.comparisons", "benchmark.suite.config"),
            "benchmark/report/report.py",
        ],
    output:
        metrics=multiext(f"{FOLDER}/metrics", ".csv", ".parquet"),
        nll=multiext(f"{FOLDER}/tables/nll", ".csv", ".md", ".tex"),
        cost=multiext(f"{FOLDER}/tables/cost", ".csv", ".md", ".tex"),
        significance=multiext(f"{FOLDER}/tables/significance", ".csv", ".md", ".tex"),
        quality=(
            multiext(f"{FOLDER}/tables/quality", ".csv", ".md", ".tex")
            if SUITE.images
            else []
        ),
    log:
        f"{FOLDER}/tables/tables.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        part="tables",
        arguments=[],
        schema=SCHEMA,
        labels=LABELS,
        terms=SUITE.terms,
    script:
        "../scripts/report.py"


# Template of the figures below.
rule figure:
    output:
        multiext(f"{FOLDER}/figures/_template", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/_template.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        part="_template",
        arguments=[],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,
    script:
        "../scripts/report.py"


use rule figure as samples_figure with:
    input:
        samples=lambda wildcards: runs(
            *("samples.npy", "nll.json"),
            of=[r for r in report.first_runs(SUITE) if r.dataset == wildcards.dataset],
        ),
        backward=lambda wildcards: runs(
            "samples_base.npy",
            of=[run for run in BETWEEN if run.dataset == wildcards.dataset],
        ),
        data=DATA,
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/samples_{{dataset}}", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/samples_{{dataset}}.log",
    localrule: True
    params:
        part="samples",
        arguments=lambda wildcards: [wildcards.dataset],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


use rule figure as density_figure with:
    input:
        densities=runs("density.npz", of=PLANE),
        records=runs("nll.json", of=PLANE),
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/density", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/density.log",
    localrule: True
    params:
        part="densities",
        arguments=[],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


use rule figure as path_figure with:
    input:
        paths=lambda wildcards: runs(
            *("path.npz", "nll.json"),
            of=[run for run in FLOWS if run.dataset == wildcards.dataset],
        ),
        truth=lambda wildcards: runs(
            *("density.npz", "nll.json"),
            of=[
                run
                for run in PLANE
                if run.dataset == wildcards.dataset and report.is_oracle(SUITE, run)
            ],
        ),
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/path_{{dataset}}", ".png", ".pdf", ".gif"),
    log:
        f"{FOLDER}/figures/path_{{dataset}}.log",
    localrule: True
    params:
        part="path",
        arguments=lambda wildcards: [wildcards.dataset],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


use rule figure as nearest_figure with:
    input:
        samples=lambda wildcards: runs(
            *("samples.npy", "nll.json"),
            of=[r for r in report.first_runs(SUITE) if r.dataset == wildcards.dataset],
        ),
        data=DATA,
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/nearest_{{dataset}}", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/nearest_{{dataset}}.log",
    localrule: True
    params:
        part="nearest",
        arguments=lambda wildcards: [wildcards.dataset],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


use rule figure as quality_figure with:
    input:
        curves=runs("quality/quality.csv", "nll.json", of=IMAGES),
        floors=FLOORS,
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/quality", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/quality.log",
    localrule: True
    params:
        part="quality",
        arguments=[],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


use rule figure as learning_curves_figure with:
    input:
        histories=runs("training.csv", of=TRAINED),
        records=runs("nll.json"),
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/learning_curves", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/learning_curves.log",
    localrule: True
    params:
        part="learning_curves",
        arguments=[],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


use rule figure as diagnostics_figure with:
    input:
        histories=runs("training.csv", of=DIAGNOSED),
        records=runs("nll.json", of=DIAGNOSED),
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/diagnostics", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/diagnostics.log",
    localrule: True
    params:
        part="diagnostics",
        arguments=[],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


use rule figure as nll_time_figure with:
    input:
        metrics=f"{FOLDER}/metrics.parquet",
        code=files_of("benchmark.report.plots", "benchmark.report.report"),
    output:
        multiext(f"{FOLDER}/figures/nll_time", ".png", ".pdf"),
    log:
        f"{FOLDER}/figures/nll_time.log",
    localrule: True
    params:
        part="nll_time",
        arguments=[],
        schema=SCHEMA,
        styles=STYLES,
        labels=LABELS,


rule report:
    input:
        tables=rules.tables.output,
        reproduction=PUBLISHED,
        samples=[
            f"{FOLDER}/figures/samples_{name}.png"
            for name in SUITE.datasets
            if prepared(name)
        ],
        density=[f"{FOLDER}/figures/density.png"] if PLANE else [],
        paths=[
            f"{FOLDER}/figures/path_{name}.gif"
            for name in dict.fromkeys(run.dataset for run in FLOWS)
        ],
        nearest=[
            f"{FOLDER}/figures/nearest_{name}.png"
            for name in SUITE.images
            if prepared(name)
        ],
        quality=[f"{FOLDER}/figures/quality.png"] if SUITE.images else [],
        curves=[f"{FOLDER}/figures/learning_curves.png"] if TRAINED else [],
        diagnostics=[f"{FOLDER}/figures/diagnostics.png"] if DIAGNOSED else [],
        time=[f"{FOLDER}/figures/nll_time.png"] if TRAINED else [],
    localrule: True
