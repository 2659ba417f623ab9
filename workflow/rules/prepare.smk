# Rows are prepared beside those that are there, in a file that is named after what they depend on, and
# put in place when that has succeeded: a failure leaves the old ones, and nothing is prepared again
# when a change is undone. (The content of files, not their time, is in the name.)
rule prepare:
    input:
        raw=lambda wildcards: ancient(raw_files(wildcards.dataset)),
        own=lambda wildcards: ancient(own_files(wildcards.dataset)),
    output:
        prepared=f"{PREPARED}.json",
    log:
        f"{PREPARED}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        command=lambda wildcards, output: command(
            TASKS.prepare(wildcards.dataset, output.prepared)
        ),
    shell:
        JOB


rule publish:
    input:
        prepared=lambda wildcards: str(SUITE.prepared_file(wildcards.dataset)),
    output:
        data=directory(DATA),
    log:
        f"{FOLDER}/{{dataset}}/publish.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        command=lambda wildcards, output: command(TASKS.publish(wildcards.dataset)),
    shell:
        JOB


# For programs and notebooks that evaluate the same rows as the methods of this library; made on demand.
rule dequantise:
    input:
        data=DATA,
    output:
        rows=DEQUANTISED,
    log:
        f"{FOLDER}/{{dataset}}/dequantised/test{{number}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        depends=lambda wildcards, output: TASKS.dequantise(
            wildcards.dataset, int(wildcards.number), output.rows
        ).depends,
        command=lambda wildcards, output: command(
            TASKS.dequantise(wildcards.dataset, int(wildcards.number), output.rows)
        ),
    shell:
        JOB
