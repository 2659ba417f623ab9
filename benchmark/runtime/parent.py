"""The end of a process with its parent."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of ``prctl``, from linux/prctl.h."""


def end_with_parent() -> None:
    """Get SIGTERM when the parent dies, so that no orphan trains on (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
