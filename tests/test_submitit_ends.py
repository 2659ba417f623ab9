"""The ends of jobs: what is told, what to do, and where it can be read."""

import json

from counting import SNAKEFILE, Workflow
from fake_workflow import fake
from test_submitit_words import STEP

__all__ = ["Workflow", "fake"]  # what makes the tests slow, and the fixture


def test_a_job_out_of_memory_says_so_also_in_its_own_log(fake):
    shell = f"echo '{STEP}' >&2; kill -9 $$; "
    text = SNAKEFILE.replace(
        'shell: "python', f'log: "logs/{{name}}.log"\n    shell: "{shell}python'
    )
    fake.folder.joinpath("Snakefile").write_text(text)
    assert fake.start().wait(60) != 0
    words = "(state FAILED, exit code 1:0); out of memory: it requested mem_mb=50; raise mem_mb"
    assert words in fake.told
    last = (fake.folder / "logs/a.log").read_text().splitlines()[-1]
    assert last == f"submitit: SLURM job 1: the job ended with exit status 1 {words}"


def test_a_preempted_job_that_is_not_requeued_is_submitted_again_as_often_as_that_happens(fake):
    fake.start(until=1000)
    fake.counts()
    for number in ("1", "2"):
        fake.until(lambda job=number: "group" in fake.job(job))
        fake.kill_job(number)
        preempted = {**fake.job(number), "state": "PREEMPTED", "code": "0:15"}
        preempted.pop("group")
        (fake.slurm / f"{number}.json").write_text(json.dumps(preempted))
        fake.says(f"count: {number} was preempted and cancelled; submitting it again")
        fake.until((fake.slurm / f"{int(number) + 1}.json").exists)
    fake.enough().done()
    assert fake.submitted() == ["1", "2", "3"]
    assert "Error" not in fake.told


def test_logs_of_jobs_that_succeed_are_kept_on_request(fake):
    fake.start("--submitit-keep-logs", counts="a,b").done()
    (folder,) = (fake.folder / ".snakemake/submitit").iterdir()
    logs = sorted(folder.glob("*.out"))
    assert [log.name for log in logs] == ["1_0_0_log.out", "1_1_0_log.out"]
    assert not list(folder.glob("*.pkl"))
    for log in logs:
        assert f": {log.relative_to(fake.folder)}\n" in fake.told  # told at the submission


def test_a_job_that_saves_nothing_is_told_once(fake):
    fake.start(until=1000)
    fake.counts()
    (folder,) = (fake.folder / ".snakemake/submitit").iterdir()
    (folder / "1_idle").touch()  # by the job, see test_submitit_job
    fake.says("count, job 1: stopped at its time limit .* 3 times in a row before it saved")
    fake.enough().done()
    assert fake.told.count("raise runtime, 5 min now") == 1
