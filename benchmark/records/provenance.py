"""Where a measurement comes from: what it depends on, and the device that it is made on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmark.data.dataset import Description
from benchmark.records import records
from benchmark.records.run import Run
from benchmark.runtime import parallel
from benchmark.source import digest, files_of


def key(
    run: Run, modules: Sequence[str], config: str, data: Description, device: torch.device
) -> dict[str, str]:
    """What has to be the same for the numbers to be those of work that was never interrupted."""
    return {
        "config": config,
        "seed": str(run.seed),
        "source": digest(files_of(*modules)),
        "data": data.hash,
        "torch": torch.__version__,
        "device": device.type,
    }


def of(modules: Sequence[str], config: str, devices: str) -> dict[str, Any]:
    """The provenance of records that ``modules`` make on ``devices``, in words."""
    return records.provenance(
        modules, config=config, device=devices, threads=torch.get_num_threads()
    )


def device_name(device: torch.device) -> str:
    """The name of a GPU, or that of the processor; of processes that work together, all of them."""
    names = parallel.gather(_name(device))
    counts = {name: names.count(name) for name in names}
    if len(names) == 1:
        return names[0]
    return " and ".join(f"{count} processes on {name}" for name, count in counts.items())


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else "CPU"
