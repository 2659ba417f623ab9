"""SLURM's words, of refusals, ends and waiting jobs, and what they mean; its variables."""

import pytest
from snakemake_executor_plugin_submitit.advice import advice
from snakemake_executor_plugin_submitit.sbatch import TOO_MANY, is_outage, options_of, overruling
from snakemake_executor_plugin_submitit.slurm import STUCK_REASONS, JobStatus
from test_submitit_parameters import Job

# --- refusals -------------------------------------------------------------------------------------

POLICY = (
    "sbatch: error: {}\nsbatch: error: Batch job submission failed: Job violates accounting/QOS "
    "policy (job submit limit, user's size and/or time limits)"
)


@pytest.mark.parametrize(
    "reason",
    [
        *("QOSMaxSubmitJobPerUserLimit", "AssocMaxSubmitJobLimit", "QOSGrpSubmitJobsLimit"),
        *("AssocGrpSubmitJobsLimit", "MaxSubmitJobsPerAccount"),
    ],
)
def test_a_limit_of_submitted_jobs_is_one_that_fewer_jobs_meet(reason):
    assert TOO_MANY.search(POLICY.format(reason))


@pytest.mark.parametrize(
    "reason",
    [
        *("QOSMaxWallDurationPerJobLimit", "QOSMinGRES", "AssocMaxCpuPerJobLimit"),
        *("QOSMaxNodePerUserLimit", "MaxMemPerLimit", "please resubmit with --comment"),
        "please try again when you have a temporarily valid account: connection refused",
    ],
)
def test_any_other_policy_is_final(reason):
    words = POLICY.format(reason)
    assert not TOO_MANY.search(words) and not is_outage(words)


@pytest.mark.parametrize(
    ("words", "too_many", "outage"),
    [
        ("Invalid job array specification", True, False),
        ("Resource temporarily unavailable", True, True),
        ("Unable to contact slurm controller (connect failure)", False, True),
        ("Socket timed out on send/recv operation", False, True),
        ("Zero Bytes were transmitted or received", False, True),
        ("Invalid account or account/partition combination specified", False, False),
        ("Requested node configuration is not available", False, False),
        ("Requested time limit is invalid (missing or exceeds some limit)", False, False),
    ],
)
def test_what_the_words_of_sbatch_mean(words, too_many, outage):
    words = f"sbatch: error: Batch job submission failed: {words}"
    assert (bool(TOO_MANY.search(words)), is_outage(words)) == (too_many, outage)


def test_a_full_controller_halves_an_array_too():
    words = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"
    assert TOO_MANY.search(words)


def test_variables_overrule_what_a_submission_sets_and_only_that():
    wanted = {"time": 5, "mem": "50M", "partition": None, "additional_parameters": {"qos": "low"}}
    environment = [
        *("SBATCH_TIMELIMIT", "SLURM_TIMELIMIT", "SBATCH_MEM_PER_CPU", "SLURM_MEM_PER_NODE"),
        *("SBATCH_QOS", "SBATCH_PARTITION", "SBATCH_ACCOUNT", "SBATCH_GPUS", "SLURM_CONF"),
        *("SBATCH_ARRAY_INX", "SBATCH_OUTPUT", "SBATCH_ERROR", "SBATCH_OPEN_MODE", "SBATCH_WAIT"),
        *("SBATCH_NO_REQUEUE", "SBATCH_SIGNAL", "SBATCH_EXPORT", "TIMELIMIT", "SLURM_JWT"),
    ]
    left = {"SBATCH_PARTITION", "SBATCH_ACCOUNT", "SBATCH_GPUS", "SBATCH_EXPORT"}
    left |= {"SLURM_CONF", "SLURM_JWT", "TIMELIMIT"}
    assert set(overruling(options_of(wanted), environment)) == set(environment) - left
    gpus = options_of({"gpus_per_node": 1})
    assert "SBATCH_GPUS" in overruling(gpus, environment)
    named = {"job_name": "count", "additional_parameters": {}}
    assert not overruling(options_of(named), ["SBATCH_JOB_NAME"])
    named["additional_parameters"] = {"job_name": "lab_me"}
    assert overruling(options_of(named), ["SBATCH_JOB_NAME"])


# --- ends ---

STEP = (
    "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been"
)
DIED = "Command 'set -euo pipefail; python' died with <Signals.SIGKILL: 9>."


@pytest.mark.parametrize(
    ("state", "log", "resources", "words"),
    [
        (
            "OUT_OF_MEMORY",
            "",
            {"mem_mb": 50},
            "out of memory: it requested mem_mb=50; raise mem_mb",
        ),
        ("FAILED", STEP, {"mem_mb": 50}, "out of memory: it requested mem_mb=50"),
        ("FAILED", "srun: error: n1: task 0: Out Of Memory", {}, "requested none in particular"),
        ("FAILED", "slurmstepd: error: Exceeded job memory limit", {}, "out of memory"),
        ("FAILED", DIED, {"mem_mb": 50}, "killed, as for lack of memory: it requested mem_mb=50"),
        ("FAILED", "returned non-zero exit status 137.", {}, "killed, as for lack of memory"),
        ("OUT_OF_MEMORY", "", {"slurm_mem_per_cpu": "2G", "mem_mb": 1}, "raise slurm_mem_per_cpu"),
        ("OUT_OF_MEMORY", "", {"slurm_extra": "--mem=2G", "mem_mb": 1}, "--mem=2G; raise --mem"),
        ("TIMEOUT", "", {"runtime": 7}, "raise runtime, 7 min now"),
        ("TIMEOUT", "", {"runtime": 7, "slurm_extra": "--time=9"}, "raise runtime, 9 min now"),
        ("NODE_FAIL", "", {}, "set `retries` in the profile"),
        ("CANCELLED", DIED, {}, ""),
        ("FAILED", "torch.OutOfMemoryError: CUDA out of memory", {}, ""),
        ("FAILED", f"{STEP}\n[12:00:00] started on n1, process 7\n", {}, ""),
    ],
)
def test_the_advice_fits_the_end(state, log, resources, words):
    told = advice(state, "the job ended with exit status 1", log, Job(resources))
    assert words in told and bool(words) == bool(told)


def test_a_job_with_too_many_time_limits_says_what_to_raise():
    told = advice("FAILED", "not requeued because: timed-out too many times.", "", Job({}))
    assert "raise runtime, 60 min now, or --submitit-max-timeouts" in told


# --- waiting ---


# Of squeue's list of reasons: those that do not end by themselves.
@pytest.mark.parametrize(
    "reason",
    """
    AccountNotAllowed AccountingPolicy AssocMaxWallDurationPerJobLimit AssocMaxGRESPerJob
    AssocGrpCPUMinutesLimit AssocGrpBillingMinutes BadConstraints BurstBufferOperation
    Constraints DeadLine DependencyNeverSatisfied FrontEndDown InvalidAccount InvalidQOS
    JobHeldAdmin JobHeldUser JobHoldMaxRequeue JobLaunchFailure MaxMemPerLimit NodeDown
    PartitionConfig PartitionDown PartitionInactive PartitionNodeLimit PartitionTimeLimit
    QOSMaxWallDurationPerJobLimit QOSMinGRES QOSNotAllowed QOSTimeLimit QOSUsageThreshold
    AssociationTimeLimit ReqNodeNotAvail,_UnavailableNodes:n1 RequeueExitHold ReservationDeleted
    RequiresReservation launch_failed_requeued_held
    """.split(),
)
def test_a_reason_for_which_a_job_may_never_start_is_told(reason):
    assert JobStatus("PENDING", reason.replace("_", " "), "token").stuck, STUCK_REASONS


@pytest.mark.parametrize(
    "reason",
    """
    None Priority Resources Dependency BeginTime Licenses JobArrayTaskLimit Cleaning Prolog
    Reservation QOSMaxJobsPerUserLimit QOSGrpCpuLimit AssocGrpCPURunMinutesLimit
    QOSMaxCpuPerUserLimit AssocMaxJobsLimit QOSGrpJobsLimit BurstBufferStageIn RequeueExit
    """.split(),
)
def test_a_reason_that_ends_by_itself_is_not(reason):
    assert not JobStatus("PENDING", reason, "token").stuck
