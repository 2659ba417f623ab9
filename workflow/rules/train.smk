# What a profile may ask for beside what the executor reads: processes that share a training.
resource_scopes:
    processes="local",


rule search:
    input:
        data=DATA,
    output:
        search=f"{METHOD}/search.json",
    log:
        f"{METHOD}/search.log",
    wildcard_constraints:
        method=OWN_METHODS,
    conda:
        ENVIRONMENT
    threads: SUITE.threads
    params:
        depends=lambda wildcards: TASKS.search(first_run_of(wildcards)).depends,
        command=lambda wildcards, threads, resources: command(
            TASKS.search(first_run_of(wildcards)), TASKS.machine(threads, resources)
        ),
    shell:
        JOB


# Template: never runs itself. Each method of the suite has a rule train_<method> that inherits from
# it, unless the file that its entry names as `rules` has one.
rule train:
    input:
        data=DATA,
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
        ENVIRONMENT
    threads: SUITE.threads
    resources:
        gpu=gpus_of,
    params:
        depends=lambda wildcards: TASKS.train(run_of(wildcards)).depends,
        command=lambda wildcards, threads, resources: command(
            TASKS.train(run_of(wildcards)), TASKS.machine(threads, resources)
        ),
    shell:
        JOB


for path in dict.fromkeys(
    filter(None, (entry.rules for entry in SUITE.methods.values()))
):

    include: os.path.abspath(path)


for name in dict.fromkeys(method.partition("-")[0] for method in SUITE.methods):
    if not rules.has(f"train_{name}") and trains(name):

        include: inherited(name)
