"""A fitted method in use and on disk: ``model.json`` builds it, ``model.safetensors`` fills it."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmark import parts
from benchmark.coordinates import Coordinates, unfitted
from benchmark.files import atomic
from benchmark.flow import Flow, Method
from benchmark.likelihood import Likelihood
from benchmark.names import load as load_name
from benchmark.ode import Solution, Tolerance
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.model_file import ModelFile
from benchmark.records.run import LIKELIHOOD, MODEL, WEIGHTS
from benchmark.shapes import Batch, PerSample

MAX_ELEMENTS_PER_SOLVE = 600_000
"""Rows x dimensions solved at once, to bound memory: 200 images of 3 x 32 x 32, or ten thousand
rows of 60 columns."""


def rows_at_once(x: Batch) -> int:
    """The largest number of rows like these whose likelihood is solved at a time."""
    return max(1, MAX_ELEMENTS_PER_SOLVE // x[0].numel())


class Model(nn.Module):
    """A method in the coordinates of the data; ``tolerance`` is that of its ODE solves."""

    def __init__(self, method: Method, coordinates: Coordinates, tolerance: Tolerance) -> None:
        super().__init__()
        self.method, self.coordinates, self.tolerance = method, coordinates, tolerance

    def log_prob(self, x: Batch, t: float = 1.0) -> PerSample:
        """Log-density in nats of rows ``x`` of the prepared data, float64.

        Of a flow, at any time ``t`` of its path, from the base at 0 to the data at 1. At most
        ``MAX_ELEMENTS_PER_SOLVE`` are solved at a time, to bound memory.
        """
        parts = torch.split(x, rows_at_once(x))
        solved = [self.solve_log_prob(part, self.tolerance, t) for part in parts]
        return torch.cat([likelihood.values for likelihood in solved])

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
        likelihood = self.method.log_prob(self.coordinates(x.double()), tolerance, t)
        values = likelihood.values + self.coordinates.log_det(x.double())
        return likelihood._replace(values=values.detach())

    def solve_sample(self, n: int, **options: Any) -> Solution:
        """``sample``, and its NFE."""
        values, nfe = self.method.sample(n, self.tolerance, **options)
        return Solution(self.coordinates.inverse(values), nfe)


def build(kind: str, event: tuple[int, ...], arguments: dict[str, Any]) -> Method:
    """The unfitted method of class ``kind`` (a dotted name), for rows of the shape ``event``.

    ``arguments`` are those of its ``build``, as a config writes them. Raises ``ValueError`` if the
    name does not mean a method, and for arguments of the wrong type.
    """
    method = load_name(kind)
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise ValueError(
            f"config.yaml: class {kind!r} is not a subclass of benchmark.flow.Method. "
            f"Name one, e.g. benchmark.baselines.ffjord.FFJORD."
        )
    return method.build(event, **parts.convert(method.build, arguments, event))


def save(folder: str | Path, model: Model, description: ModelFile) -> None:
    """Write the weights of a model and its ``description`` into the folder of a run."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    with atomic(Path(folder) / WEIGHTS) as temporary:
        save_file(weights, temporary)
    description.save(Path(folder) / MODEL)


def load(folder: str | Path, tolerance: Tolerance | None = None) -> Model:
    """The fitted model of a run, ready to use: ``load(folder).log_prob(x)``, ``.sample(n)``.

    ``tolerance`` is that of its ODE solves; by default the one at which the run was evaluated
    or, before that, validated. Raises ``ValueError`` for files of another schema.
    """
    stored = ModelFile.load(Path(folder) / MODEL)
    method = build(stored.kind, stored.event, stored.arguments)
    coordinates = unfitted(stored.coordinates, stored.event)
    model = Model(method, coordinates, tolerance or _tolerance_of(Path(folder), stored))
    model.load_state_dict(load_file(Path(folder) / WEIGHTS))
    return model.eval()


def _tolerance_of(folder: Path, stored: ModelFile) -> Tolerance:
    evaluated = folder / LIKELIHOOD
    protocol = LikelihoodFile.load(evaluated).protocol if evaluated.exists() else {}
    if "atol" in protocol:
        return Tolerance(protocol["atol"], protocol["rtol"])
    return Tolerance.of(stored.validation)


def parameters(model: nn.Module) -> int:
    """Number of trained parameters of a model."""
    return sum(weights.numel() for weights in model.parameters())
