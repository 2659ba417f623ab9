# A program in another language, with the interpreter of the suite for the conversion of arrays.
rule gaussian_awk:
    input:
        program="workflow/examples/programs/gaussian.sh",
        awk="workflow/examples/programs/gaussian.awk",
        data=DATA,
    output:
        log_prob=f"{RUN}/log_prob.npy",
        likelihood=f"{RUN}/likelihood.json",
        samples=f"{RUN}/samples.npy",
        cost=f"{RUN}/cost.json",
    log:
        f"{RUN}/gaussian.log",
    wildcard_constraints:
        method="gaussian_awk",
    params:
        samples=SUITE.section.evaluation.samples,
    shell:
        "sh {input.program} {PYTHON:q} {input.data} $(dirname {output.cost})"
        " {wildcards.seed} {params.samples} > {log} 2>&1"
