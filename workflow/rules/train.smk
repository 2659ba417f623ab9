# Template: never runs itself. rules/<method>.smk inherits from it with `use rule`.
rule train:
    input:
        data=DATA,
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.steps"
        ),
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
    threads: 1
    params:
        run=lambda wildcards: astuple(run_of(wildcards)),
        numbers=lambda wildcards: SUITE.numbers(run_of(wildcards)),
        settings=lambda wildcards: {
            **SUITE.validation,
            "config": SUITE.train_hash(run_of(wildcards)),
        },
    script:
        "../scripts/train.py"
