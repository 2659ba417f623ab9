rule fetch:
    output:
        file=f"{DOWNLOADS}/{{path}}",
    log:
        f"{DOWNLOADS}/{{path}}.log",
    wildcard_constraints:
        path=paths(folders=False),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        # Mirrors do not make fetched files out of date, nor does anything else.
        command=lambda wildcards, output: command(
            TASKS.fetch(wildcards.path, output.file, config["mirrors"])
        ),
    shell:
        JOB


use rule fetch as fetch_folder with:
    output:
        file=directory(f"{DOWNLOADS}/{{path}}"),
    wildcard_constraints:
        path=paths(folders=True),


rule prefetch:
    input:
        [path for dataset in SUITE.datasets for path in raw_files(dataset)],
        [INCEPTION] if any(takes_inception(dataset) for dataset in SUITE.images) else [],
        list(FETCHED),
    localrule: True
