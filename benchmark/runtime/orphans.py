"""Orphans: processes whose parent has died. There are to be none that train on."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of ``prctl``, from linux/prctl.h."""


def die_with_parent() -> None:
    """Get SIGTERM when the parent of this process dies (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
