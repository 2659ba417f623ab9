"""Memory that is kept."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, torch
from benchmark.runtime.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
resident = lambda: int(open("/proc/self/statm").read().split()[1])
torch.ones(2**19).sum()
before = resident()
blocks = [torch.ones(2**19) for _ in range(20)]  # 2 MiB each
full = resident()
del blocks
print((resident() - before) / (full - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_memory_stays_with_the_process():
    # Else the threshold is that of the largest block freed before, in the import of torch, say.
    fixed = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}

    def kept(how):
        command = [sys.executable, "-c", PROGRAM, how]
        found = subprocess.run(command, env=fixed, capture_output=True, text=True)
        return float(found.stdout)

    assert kept("keep") > 0.9
    assert kept("leave") < 0.5
