rule evaluate:
    input:
        data=DATA,
        model=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
    output:
        log_prob=f"{RUN}/log_prob.npy",
        likelihood=f"{RUN}/likelihood.json",
        samples=f"{RUN}/samples.npy",
        cost=f"{RUN}/cost.json",
    log:
        f"{RUN}/evaluate.log",
    wildcard_constraints:
        method=OWN_METHODS,
    conda:
        ENVIRONMENT
    threads: SUITE.threads
    resources:
        gpu=gpus_of,
    params:
        depends=lambda wildcards: TASKS.evaluate(run_of(wildcards)).depends,
        command=lambda wildcards, threads, resources: command(
            TASKS.evaluate(run_of(wildcards)), TASKS.machine(threads, resources)
        ),
    shell:
        JOB


# Densities in the plane; paths of flows; test rows of data sets with rows of the base.
for name, output in DRAWINGS.items():

    rule:
        name:
            name
        input:
            data=DATA,
            model=f"{RUN}/model.safetensors",
            description=f"{RUN}/model.json",
        output:
            f"{RUN}/{output}",
        log:
            f"{RUN}/{name}.log",
        wildcard_constraints:
            method=OWN_METHODS,
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            gpu=gpus_of,
        params:
            depends=drawn(name),
            command=drawing(name),
        shell:
            JOB
