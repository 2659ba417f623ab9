"""Names of the devices that a job computes on, for its records."""

from pathlib import Path

import torch

from benchmark.runtime import parallel


def device_name(device: torch.device) -> str:
    """The name of a GPU, or that of the processor; of several processes, those of all ranks."""
    names = parallel.gather(_name(device))
    counts = {name: names.count(name) for name in names}
    if len(names) == 1:
        return names[0]
    return " and ".join(f"{count} processes on {name}" for name, count in counts.items())


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else "CPU"
