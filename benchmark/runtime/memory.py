"""Tuning of glibc's malloc: a process keeps freed blocks for its next allocations."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt`` (malloc.h)."""


def keep_freed() -> None:
    """Keep freed blocks of up to 32 MiB for reuse instead of returning them to the system.

    Page faults of returned blocks would take up to half of the time of an evaluation. Without
    glibc this does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(TRIM_THRESHOLD, 2**31 - 1)
    mallopt(MMAP_THRESHOLD, 2**25)
