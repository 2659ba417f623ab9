rule fetch:
    output:
        file=f"{DOWNLOADS}/{{path}}",
    log:
        f"{DOWNLOADS}/{{path}}.log",
    wildcard_constraints:
        path="|".join(map(re.escape, fetch.remote_files())),
    localrule: True
    conda:
        "../../environment.yml"
    script:
        "../scripts/fetch.py"


rule prefetch:
    input:
        [path for dataset in SUITE.datasets for path in raw_files(dataset)],
    localrule: True
