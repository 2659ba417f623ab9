rule fit_mine:
    input:
        script="mymethods/mine.sh",
        program="mymethods/mine.py",
        data=DATA,
    output:
        log_prob=f"{RUN}/log_prob.npy",
        likelihood=f"{RUN}/likelihood.json",
        samples=f"{RUN}/samples.npy",
        cost=f"{RUN}/cost.json",
    log:
        f"{RUN}/mine.log",
    wildcard_constraints:
        method="mine",
    shell:
        "PYTHON={PYTHON:q} sh {input.script} {input.data} $(dirname {output.cost}) {wildcards.seed} > {log} 2>&1"
