"""A fitted method in use and on disk: ``model.json`` builds it, ``model.safetensors`` fills it."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmark.coordinates import Coordinates, unfitted
from benchmark.files import atomic, read_json, write_json
from benchmark.flow import Flow, Method
from benchmark.likelihood import Likelihood
from benchmark.names import load as load_name
from benchmark.ode import Solution, Tolerance
from benchmark.shapes import Batch, PerSample

MAX_ELEMENTS_PER_SOLVE = 600_000
"""Rows x dimensions solved at once, to bound memory: two hundred images of 3 x 32 x 32, or ten
thousand rows of 60 columns."""


def rows_at_once(x: Batch) -> int:
    """The largest number of rows of the shape of ``x`` for one solve of the likelihood."""
    return max(1, MAX_ELEMENTS_PER_SOLVE // x[0].numel())


class Model(nn.Module):
    """A method in the coordinates of the data; ``tolerance`` is that of its ODE solves."""

    def __init__(self, method: Method, coordinates: Coordinates, tolerance: Tolerance) -> None:
        super().__init__()
        self.method, self.coordinates, self.tolerance = method, coordinates, tolerance

    def log_prob(self, x: Batch, t: float = 1.0) -> PerSample:
        """Log-density in nats of rows ``x`` of the prepared data, float64.

        For a flow, at any time ``t``, from the base at 0 to the data at 1. At most
        ``MAX_ELEMENTS_PER_SOLVE`` elements are solved at once, to bound memory.
        """
        parts = torch.split(x, rows_at_once(x))
        solved = [self.solve_log_prob(part, self.tolerance, t) for part in parts]
        return torch.cat([found.values for found in solved])

    def sample(self, n: int, **options: Any) -> Batch:
        """``n`` samples in the coordinates of the prepared data, float64.

        ``options`` are those of the method's own ``sample``, e.g. ``epsilon`` of an interpolant.
        """
        return self.solve_sample(n, **options).values

    def transport(self, x: Batch, start: float = 0.0, end: float = 1.0) -> Batch:
        """Where the flow carries ``x`` from time ``start`` to time ``end``, forward or backward.

        In the coordinates of the prepared data throughout, float64.
        """
        z = self.coordinates(x.double())
        return self.coordinates.inverse(self.flow.transport(z, self.tolerance, start, end).values)

    @property
    def flow(self) -> Flow:
        """The method, a flow. Raises ``TypeError`` where it is none."""
        if not isinstance(self.method, Flow):
            raise TypeError(f"{type(self.method).__name__} is no flow: it has no path to a base.")
        return self.method

    def solve_log_prob(self, x: Batch, tolerance: Tolerance, t: float = 1.0) -> Likelihood:
        """``log_prob`` at another tolerance, and what it took."""
        found = self.method.log_prob(self.coordinates(x.double()), tolerance, t)
        return found._replace(values=(found.values + self.coordinates.log_det(x.double())).detach())

    def solve_sample(self, n: int, **options: Any) -> Solution:
        """``sample``, and its NFE."""
        values, nfe = self.method.sample(n, self.tolerance, **options)
        return Solution(self.coordinates.inverse(values), nfe)


def build(kind: str, event: tuple[int, ...], numbers: dict[str, Any]) -> Method:
    """The unfitted method of class ``kind`` (a dotted name).

    Raises ``ValueError`` if the name does not mean a method.
    """
    found = load_name(kind)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ValueError(
            f"config.yaml: class {kind!r} is not a subclass of benchmark.flow.Method. "
            f"Name one, e.g. benchmark.baselines.ffjord.FFJORD."
        )
    return found.build(event, **numbers)


def save(folder: str | Path, model: Model, description: dict[str, Any]) -> None:
    """Write a model; ``description`` holds ``class``, ``numbers``, ``event``, the kind of its
    ``coordinates``, ``validation`` (the tolerance) and whatever else is to be known of the fit."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    with atomic(Path(folder) / "model.safetensors") as temporary:
        save_file(weights, temporary)
    write_json(Path(folder) / "model.json", description)


def load(folder: str | Path, tolerance: Tolerance | None = None) -> Model:
    """The fitted model of a run, ready to use: ``load(folder).log_prob(x)``, ``.sample(n)``.

    ``tolerance`` is that of its ODE solves; by default the one at which the run was evaluated
    or, before that, validated.
    """
    stored = read_json(Path(folder) / "model.json")
    event = tuple(stored["event"])
    method = build(stored["class"], event, stored["numbers"])
    coordinates = unfitted(stored["coordinates"], event)
    model = Model(method, coordinates, tolerance or _tolerance_of(Path(folder)))
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return model.eval()


def _tolerance_of(folder: Path) -> Tolerance:
    evaluated = folder / "likelihood.json"
    protocol = read_json(evaluated)["protocol"] if evaluated.exists() else {}
    if "atol" in protocol:
        return Tolerance(protocol["atol"], protocol["rtol"])
    return Tolerance(**read_json(folder / "model.json")["validation"])


def parameters(model: nn.Module) -> int:
    """Number of trained numbers of a model."""
    return sum(weights.numel() for weights in model.parameters())
