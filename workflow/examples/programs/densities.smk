# Two methods of one program, in an environment of its own that the first rule makes, once.
SCIKIT_LEARN = f"{FOLDER}/environments/scikit_learn"


rule scikit_learn:
    input:
        "workflow/examples/programs/requirements.txt",
    output:
        directory(SCIKIT_LEARN),
    log:
        f"{SCIKIT_LEARN}.log",
    localrule: True
    shell:
        "({PYTHON:q} -m venv {output} && {output}/bin/python -m pip install --requirement {input})"
        " > {log} 2>&1"


rule densities:
    input:
        program="workflow/examples/programs/densities.py",
        environment=SCIKIT_LEARN,
        data=DATA,
    output:
        log_prob=f"{RUN}/log_prob.npy",
        likelihood=f"{RUN}/likelihood.json",
        samples=f"{RUN}/samples.npy",
        cost=f"{RUN}/cost.json",
    log:
        f"{RUN}/densities.log",
    wildcard_constraints:
        method="mixture|kernel_density",
    params:
        samples=SUITE.section.evaluation.samples,
    shell:
        "{input.environment}/bin/python {input.program} {wildcards.method} {input.data}"
        " $(dirname {output.cost}) {wildcards.seed} {params.samples} > {log} 2>&1"
