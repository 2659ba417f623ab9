# Published results beside measured ones: of every data set that has some, and of each.
REPRODUCTIONS = {found.table: found.datasets for found in REPRODUCE.values()}


rule reproduction:
    input:
        runs=lambda wildcards: runs(
            *("nll.json", "cost.json", "log_prob.npy"),
            of=[
                run
                for run in SUITE.runs
                if run.dataset in REPRODUCTIONS[wildcards.table]
            ],
        ),
        published="benchmark/baselines/published/results.csv",
        code=[
            *files_of("benchmark.report.reproduction", "benchmark.suite.config"),
            "benchmark/report/report.py",
        ],
    output:
        multiext(f"{FOLDER}/tables/{{table}}", ".csv", ".md", ".tex", ".json"),
    log:
        f"{FOLDER}/tables/{{table}}.log",
    wildcard_constraints:
        table="|".join(REPRODUCTIONS) or "_none",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        part="reproduction",
        arguments=lambda wildcards: [
            wildcards.table,
            *REPRODUCTIONS[wildcards.table],
        ],
        published=lambda wildcards: {
            name: SUITE.published[name] for name in REPRODUCTIONS[wildcards.table]
        },
        schema=SCHEMA,
        labels=LABELS,
        terms=SUITE.terms,
    script:
        "../scripts/report.py"


# Jobs without an output always run, and so do the hooks that print the summary.
for name, found in REPRODUCE.items():

    rule:
        name:
            name
        input:
            f"{FOLDER}/tables/{found.table}.json",
        log:
            f"{FOLDER}/tables/{name}.log",
        localrule: True
        conda:
            "../../environment.yml"
        shell:
            "test -s {input} > {log} 2>&1"
