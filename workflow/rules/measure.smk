# One rule for each measurement; what it reads and whether it needs a device is said by its class.
for name in SUITE.measurements:

    rule:
        name:
            f"measure_{name}"
        input:
            data=DATA,
            files=measured_files(name),
        output:
            records=f"{RUN}/measurements/{name}.json",
            more=[f"{RUN}/measurements/{name}.{suffix}" for suffix in written(name)],
        log:
            f"{RUN}/measurements/{name}.log",
        localrule: is_light(name)
        conda:
            ENVIRONMENT
        threads: 1 if is_light(name) else SUITE.threads
        params:
            depends=measured(name),
            command=measuring(name),
        shell:
            JOB


# Where log-densities are audited: an input of the audit, and of rules of other programs.
rule audit_points:
    input:
        data=DATA,
    output:
        points=f"{AUDIT}/points.npy",
        proposal=f"{AUDIT}/proposal.npz",
    log:
        f"{AUDIT}/points.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        depends=lambda wildcards: TASKS.audit_points(wildcards.dataset).depends,
        command=lambda wildcards, output: command(TASKS.audit_points(wildcards.dataset)),
    shell:
        JOB


# What images of data sets with the key `features` are compared with.
rule classifier:
    input:
        data=DATA,
    output:
        weights=f"{FEATURES}/classifier.safetensors",
        description=f"{FEATURES}/classifier.json",
    log:
        f"{FEATURES}/classifier.log",
    conda:
        ENVIRONMENT
    threads: SUITE.threads
    params:
        depends=lambda wildcards: TASKS.classifier(wildcards.dataset).depends,
        command=lambda wildcards, threads, resources: command(
            TASKS.classifier(wildcards.dataset), TASKS.machine(threads, resources)
        ),
    shell:
        JOB


rule reference:
    input:
        data=DATA,
        raw=lambda wildcards: raw_files(wildcards.dataset),
        own=lambda wildcards: own_files(wildcards.dataset),
        extractor=lambda wildcards: extractor(wildcards.dataset),
    output:
        statistics=f"{FEATURES}/reference.npz",
        rows=f"{FEATURES}/reference.npy",
        floor=f"{FEATURES}/floor.json",
    log:
        f"{FEATURES}/reference.log",
    conda:
        ENVIRONMENT
    threads: SUITE.threads
    params:
        depends=lambda wildcards: TASKS.reference(wildcards.dataset).depends,
        command=lambda wildcards, threads, resources: command(
            TASKS.reference(wildcards.dataset), TASKS.machine(threads, resources)
        ),
    shell:
        JOB
