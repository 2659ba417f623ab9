rule prepare:
    input:
        raw=lambda wildcards: raw_files(wildcards.dataset),
        own=lambda wildcards: own_files(wildcards.dataset),
        code=lambda wildcards: files_of(
            *(module_of(entry["class"]) for entry in made_from(wildcards.dataset)),
            "benchmark.data.prepare",
        ),
    output:
        data=directory(DATA),
    log:
        f"{FOLDER}/{{dataset}}/prepare.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        entry=lambda wildcards: SUITE.prepared(wildcards.dataset),
        downloads=DOWNLOADS,
    script:
        "../scripts/prepare.py"
