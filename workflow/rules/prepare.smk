# Rows are prepared beside those that are there, and put in place when that has succeeded: a failure
# leaves the old ones. Rows that are the same again make nothing out of date.
rule prepare:
    input:
        raw=lambda wildcards: raw_files(wildcards.dataset),
        own=lambda wildcards: own_files(wildcards.dataset),
    output:
        prepared=PREPARED,
    log:
        f"{FOLDER}/{{dataset}}/prepare.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        depends=lambda wildcards: TASKS.prepare(wildcards.dataset, "").depends,
        command=lambda wildcards, output: command(
            TASKS.prepare(wildcards.dataset, output.prepared)
        ),
    shell:
        JOB


rule publish:
    input:
        prepared=PREPARED,
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
