rule search:
    input:
        data=DATA,
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.jobs.steps"
        ),
    output:
        search=f"{METHOD}/search.json",
    log:
        f"{METHOD}/search.log",
    wildcard_constraints:
        method=OURS,
    conda:
        "../../environment.yml"
    threads: SUITE.threads
    params:
        step="search",
        run=lambda wildcards: astuple(first_run_of(wildcards)),
        numbers=lambda wildcards: SUITE.numbers(first_run_of(wildcards)),
        settings=lambda wildcards: {
            **SUITE.validation,
            "search": SUITE.search,
            "config": SUITE.train_hash(first_run_of(wildcards)),
        },
    script:
        "../scripts/step.py"


# Template: never runs itself. rules/<method>.smk inherits from it with `use rule`.
rule train:
    input:
        data=DATA,
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.jobs.steps"
        ),
        search=lambda wildcards: searches(run_of(wildcards)),
    output:
        model=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
        history=f"{RUN}/training.csv",
    log:
        f"{RUN}/train.log",
    wildcard_constraints:
        method="_template",
    conda:
        "../../environment.yml"
    threads: SUITE.threads
    params:
        step="train",
        run=lambda wildcards: astuple(run_of(wildcards)),
        numbers=lambda wildcards: SUITE.numbers(run_of(wildcards)),
        settings=lambda wildcards: {
            **SUITE.validation,
            "config": SUITE.train_hash(run_of(wildcards)),
        },
    script:
        "../scripts/step.py"
