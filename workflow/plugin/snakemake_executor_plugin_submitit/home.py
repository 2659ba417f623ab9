"""A cache beside the work, and a name, for a user whose home cannot be written or who has none.

Snakemake makes its cache at each start, before it reads a workflow, and names the user in its log.
"""

import contextlib
import getpass
import os
from pathlib import Path

from snakemake.common import get_appdirs

CACHE = Path(".snakemake/cache")


def settle() -> None:
    """Set ``XDG_CACHE_HOME`` and ``USER``, for this process and its jobs, where they are needed."""
    if not _has_cache():
        os.environ["XDG_CACHE_HOME"] = str(CACHE.absolute())
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())


def _has_cache() -> bool:
    """Whether Snakemake's cache is there, or can be made, for writing."""
    with contextlib.suppress(OSError, RuntimeError):  # the latter without a home
        folder = Path(get_appdirs().user_cache_dir)
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK | os.X_OK)
    return False
