# Archives that entries name by their address.
for path, archive in FETCHED.items():

    rule:
        name:
            f"fetch_archive_{archive.sha256[:16]}"
        output:
            file=path,
        log:
            f"{path}.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            command=fetching(archive),
        shell:
            JOB


# A rule for each finished run, in place of its training, evaluation and measurements: which files
# there are is said by its archive.
for number, run in enumerate(run for run in SUITE.runs if run.method in SUITE.archives):

    rule:
        name:
            f"take_{number}"
        input:
            archive=ancient(SUITE.archives[run.method].path),
            data=DATA.format(dataset=run.dataset),
        output:
            [str(file) for file in TASKS.taken(run)],
        log:
            TASKS.take(run).log,
        localrule: True
        conda:
            ENVIRONMENT
        params:
            depends=TASKS.take(run).depends,
            command=taking(run),
        shell:
            JOB
