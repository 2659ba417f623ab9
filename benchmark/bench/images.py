"""Training steps on images: what they take by count, and how near they come to the device."""

from collections.abc import Callable
from typing import Any

import torch
import yaml
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmark import model
from benchmark.bench.rounds import Rounds
from benchmark.records.run import Run
from benchmark.report.table import Cell, Table
from benchmark.source import ROOT
from benchmark.suite.load import load
from benchmark.training.descent import Descent
from benchmark.training.loop import is_native_bfloat16

RECIPES = {"images": ("cifar10", "imagenet32", "flowers102"), "mnist_small": ("mnist",)}
"""Suite -> the data sets on which its interpolant is counted."""
COUNT = 5
SIDE = {"cuda": 8192, "cpu": 2048}
"""Device -> side of the square matrices whose product is the reference."""


class Shapes(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Inside of it tensors have a shape and no numbers; their copies too, which are of it."""

    def __deepcopy__(self, memo: Any) -> "Shapes":
        return self


class Recipe:
    """The interpolant of a suite on a data set, as it is trained there."""

    def __init__(self, suite: str, dataset: str) -> None:
        content = {**yaml.safe_load((ROOT / "config.yaml").read_text()), "suite": suite}
        checked = load(content)
        event = checked.event(dataset)
        assert event is not None  # a class of this benchmark has one
        self.name, self.event = f"{dataset} of {suite}", event
        self.made_with = checked.hyperparameters(Run(suite, dataset, "interpolant", 0))
        self.training = self.made_with.train

    def descent(self, device: torch.device, **changes: Any) -> Descent:
        """Its training loop, with ``changes`` of the settings ``train``."""
        with device:
            method = model.build(self.made_with.kind, self.event, self.made_with.model)
        return Descent(method, self.training.model_copy(update=changes), device)

    def batch(self, device: torch.device) -> Tensor:
        """Noise instead of a batch."""
        return torch.randn(self.training.batch_size, *self.event, device=device)


def counted() -> Table:
    """Parameters, arithmetic and memory of a step, of each recipe, on tensors without numbers."""
    return Table(
        caption="One training step of the interpolant on images, by count.",
        columns=("Recipe\n", "Batch\n", "Parameters\n[10^6]", "Step\n[TFLOP]", "Peak\n[GiB]"),
        rows=tuple(_counted(Recipe(suite, name)) for suite in RECIPES for name in RECIPES[suite]),
        notes=(
            "Counted on tensors that have a shape and no numbers, with the kernels and the types "
            "of a CPU: nothing was measured. The peak is that of weights, optimiser, average, "
            "activations and gradients; the rows of the data set come to it.",
        ),
    )


def timed() -> Table:
    """Images per second, and the share of what a matrix product reaches on the same device."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = (
        Recipe("images", "cifar10") if device.type == "cuda" else Recipe("mnist_small", "mnist")
    )
    precisions = _precisions(device)
    ways: dict[str, dict[str, Any]] = {
        name: {"precision": name, "compile": False} for name in precisions
    }
    if device.type == "cuda":  # it takes more than a minute, and brings nothing on CPUs
        ways[f"{precisions[-1]}, compiled"] = {"precision": precisions[-1], "compile": True}
    flops, batch = _count(recipe)[0], recipe.training.batch_size
    rounds = Rounds({**_products(device), **_steps(recipe, ways, device)}, COUNT)
    return Table(
        caption=f"A training step of {recipe.name}, in batches of {batch}.",
        columns=("Way\n", "Step\n[ms]", "images/s\n", "TFLOP/s\n", "of a product\n[%]"),
        rows=tuple(
            (
                Cell(name),
                Cell(f"{1e3 * rounds.median(name):.1f}"),
                Cell(f"{batch / rounds.median(name):.0f}"),
                Cell(f"{flops / rounds.median(name) / 1e12:.3g}"),
                Cell(f"{100 * _share(rounds, name, changes['precision'], flops, device):.0f}"),
            )
            for name, changes in ways.items()
        ),
        notes=(
            f"Medians of {COUNT} interleaved rounds on {_in_words(device)}. The last column is "
            f"the share of the arithmetic per second of a product of matrices of "
            f"{SIDE[device.type]:,} rows and columns in the same precision.",
        ),
    )


def _counted(recipe: Recipe) -> tuple[Cell, ...]:
    flops, parameters, peak = _count(recipe)
    return (
        Cell(recipe.name),
        Cell(f"{recipe.training.batch_size}"),
        Cell(f"{parameters / 1e6:.1f}"),
        Cell(f"{flops / 1e12:.3g}"),
        Cell(f"{peak / 2**30:.2f}"),
    )


def _count(recipe: Recipe) -> tuple[int, int, int]:
    """Floating-point operations and parameters, and bytes at the most, of a step."""
    cpu, tracker = torch.device("cpu"), MemTracker()
    with Shapes():
        with tracker:
            descent = recipe.descent(cpu, compile=False)
            batch = recipe.batch(cpu)
            descent.step(batch, 1.0)  # from here on the optimiser has its moments
            tracker.reset_mod_stats()  # else it refuses another step
            descent.step(batch, 1.0)
        # Of attention the counter knows the plain products, and not the kernel on CPUs.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            descent.step(batch, 1.0)
    peak = tracker.get_tracker_snapshot("peak")[cpu]["Total"]
    parameters = sum(weights.numel() for weights in descent.weights)
    return counter.get_total_flops(), parameters, peak


def _precisions(device: torch.device) -> tuple[str, ...]:
    return ("float32", "bfloat16") if is_native_bfloat16(device) else ("float32",)


def _steps(
    recipe: Recipe, ways: dict[str, dict[str, Any]], device: torch.device
) -> dict[str, Callable[[], Any]]:
    batch = recipe.batch(device)

    def step(descent: Descent) -> Callable[[], float]:
        return lambda: descent.step(batch, 1.0).item()  # waits for the device

    return {name: step(recipe.descent(device, **changes)) for name, changes in ways.items()}


def _products(device: torch.device) -> dict[str, Callable[[], Any]]:
    side = SIDE[device.type]

    def product(precision: str) -> Callable[[], float]:
        matrix = torch.randn(side, side, device=device, dtype=getattr(torch, precision))
        return lambda: (matrix @ matrix)[0, 0].item()

    return {_product(precision): product(precision) for precision in _precisions(device)}


def _product(precision: str) -> str:
    return f"a product in {precision}"


def _share(rounds: Rounds, name: str, precision: str, flops: int, device: torch.device) -> float:
    """Arithmetic per second of a way, over that of a product in its precision."""
    return flops / (2 * SIDE[device.type] ** 3) / rounds.ratio(name, _product(precision))


def _in_words(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} threads"
