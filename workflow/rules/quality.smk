# How like images of the data the samples are: data sets with the key `features`.
rule classifier:
    input:
        data=DATA,
        code=files_of("benchmark.measure.reference"),
    output:
        weights=f"{FEATURES}/classifier.safetensors",
        description=f"{FEATURES}/classifier.json",
    log:
        f"{FEATURES}/classifier.log",
    conda:
        "../../environment.yml"
    threads: SUITE.threads
    params:
        step="classifier",
        run=lambda wildcards: (SUITE.name, wildcards.dataset, FLOOR, 0),
        arguments=lambda wildcards: {
            "settings": quality_settings(wildcards, "classifier", "name")
        },
    script:
        "../scripts/quality.py"


rule reference:
    input:
        data=DATA,
        raw=lambda wildcards: raw_files(wildcards.dataset),
        own=lambda wildcards: own_files(wildcards.dataset),
        extractor=extractor_of,
        code=files_of("benchmark.measure.reference"),
    output:
        statistics=f"{FEATURES}/reference.npz",
        rows=f"{FEATURES}/reference.npy",
        floor=f"{FEATURES}/floor.json",
    log:
        f"{FEATURES}/reference.log",
    conda:
        "../../environment.yml"
    threads: SUITE.threads
    params:
        step="reference",
        run=lambda wildcards: (SUITE.name, wildcards.dataset, FLOOR, 0),
        arguments=lambda wildcards: {
            "settings": quality_settings(
                wildcards, "classifier", "inception", "name", "samples", "chunk"
            ),
            "entry": SUITE.prepared(wildcards.dataset),
            "downloads": DOWNLOADS,
        },
    script:
        "../scripts/quality.py"


# A folder of its own: a failure here is none of the likelihood's.
rule quality:
    input:
        data=DATA,
        model=f"{RUN}/model.safetensors",
        description=f"{RUN}/model.json",
        extractor=extractor_of,
        reference=rules.reference.output,
        code=lambda wildcards: files_of(
            module_of(SUITE.methods[wildcards.method]["class"]), "benchmark.measure.quality"
        ),
    output:
        records=f"{RUN}/quality/quality.json",
        curve=f"{RUN}/quality/quality.csv",
    log:
        f"{RUN}/quality/quality.log",
    wildcard_constraints:
        method=OURS,
    conda:
        "../../environment.yml"
    threads: SUITE.threads
    params:
        step="quality",
        run=lambda wildcards: astuple(run_of(wildcards)),
        arguments=lambda wildcards: {
            "settings": {
                **SUITE.quality(wildcards.dataset),
                "config": SUITE.quality_hash(run_of(wildcards)),
            },
            "numbers": SUITE.numbers(run_of(wildcards)),
            "downloads": DOWNLOADS,
        },
    script:
        "../scripts/quality.py"
