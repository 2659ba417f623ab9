# Which tables and figures there are, made from what and by which function, is said by
# benchmark.report.outputs.
for output in OUTPUTS:

    rule:
        name:
            output.rule
        input:
            [str(file) for file in output.inputs],
        output:
            [str(file) for file in output.outputs],
        log:
            str(TASKS.report(output).log),
        localrule: True
        conda:
            ENVIRONMENT
        params:
            # What is made with gaps is made anew by the next run.
            depends="gaps" if GAPS else TASKS.report(output).depends,
            command=reporting(output),
        shell:
            JOB


rule report:
    input:
        [
            str(file)
            for output in OUTPUTS
            if not output.on_request
            for file in output.outputs
        ],
    localrule: True


# Jobs without an output always run, and so do the hooks that print the summary.
for name, goal in REPRODUCE.items():

    rule:
        name:
            name
        input:
            f"{FOLDER}/tables/{goal.table}.json",
        log:
            f"{FOLDER}/tables/{name}.log",
        localrule: True
        conda:
            ENVIRONMENT
        shell:
            "test -s {input} > {log} 2>&1"
