rule evaluate:
    input:
        data=DATA,
        model=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.jobs.steps"
        ),
    output:
        log_prob=f"{RUN}/log_prob.npy",
        likelihood=f"{RUN}/likelihood.json",
        samples=f"{RUN}/samples.npy",
        cost=f"{RUN}/cost.json",
    log:
        f"{RUN}/evaluate.log",
    wildcard_constraints:
        method=OURS,
    conda:
        "../../environment.yml"
    threads: SUITE.threads
    params:
        step="evaluate",
        run=lambda wildcards: astuple(run_of(wildcards)),
        numbers=lambda wildcards: SUITE.numbers(run_of(wildcards)),
        settings=lambda wildcards: {
            **SUITE.measured(),
            "config": SUITE.run_hash(run_of(wildcards)),
        },
    script:
        "../scripts/step.py"


rule density:
    input:
        data=DATA,
        model=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.jobs.steps"
        ),
    output:
        density=f"{RUN}/density.npz",
    log:
        f"{RUN}/density.log",
    wildcard_constraints:
        method=OURS,
    conda:
        "../../environment.yml"
    threads: 1
    params:
        settings={
            key: SUITE.evaluation[key] for key in ("atol", "rtol", "chunk", "grid")
        },
    script:
        "../scripts/density.py"


# Of flows only: a density in closed form has no path.
rule path:
    input:
        data=DATA,
        model=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.jobs.steps"
        ),
    output:
        path=f"{RUN}/path.npz",
    log:
        f"{RUN}/path.log",
    wildcard_constraints:
        method=OURS,
    conda:
        "../../environment.yml"
    threads: 1
    params:
        settings={
            key: SUITE.evaluation[key]
            for key in ("atol", "rtol", "chunk", "frames", "frame_grid")
        },
    script:
        "../scripts/path.py"


# Of data sets with rows of the base only.
rule backward:
    input:
        data=DATA,
        model=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.jobs.steps"
        ),
    output:
        samples=f"{RUN}/samples_base.npy",
    log:
        f"{RUN}/backward.log",
    wildcard_constraints:
        method=OURS,
    conda:
        "../../environment.yml"
    threads: 1
    params:
        settings={key: SUITE.evaluation[key] for key in ("atol", "rtol", "chunk")},
    script:
        "../scripts/backward.py"


rule nll:
    input:
        data=DATA,
        log_prob=f"{RUN}/log_prob.npy",
        likelihood=f"{RUN}/likelihood.json",
        code=files_of("benchmark.measure.metrics"),
    output:
        nll=f"{RUN}/nll.json",
    log:
        f"{RUN}/nll.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        run=lambda wildcards: astuple(run_of(wildcards)),
    script:
        "../scripts/nll.py"
