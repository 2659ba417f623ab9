"""Memory that is kept."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from benchmark.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
blocks = lambda: [torch.ones(2**19) for _ in range(20)]  # 2 MiB each
blocks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    blocks()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_kept_memory_is_not_faulted_in_anew():
    def faults(how):
        found = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True)
        return int(found.stdout)

    # 10 times 40 MiB are 100,000 pages of 4 KiB.
    assert faults("keep") < 0.2 * faults("leave")
