"""A fitted method in use and on disk: ``model.json`` builds it, ``model.safetensors`` fills it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmark import parts
from benchmark.coordinates import Affine, Composed, Coordinates, unfitted
from benchmark.files import atomic
from benchmark.flow import Flow, Method
from benchmark.likelihood import Drawn, Likelihood
from benchmark.names import load as load_name
from benchmark.ode import Solution, Tolerance
from benchmark.records.likelihood_file import LikelihoodFile
from benchmark.records.model_file import ModelFile
from benchmark.records.run import LIKELIHOOD, MODEL, WEIGHTS
from benchmark.records.units import Units, units_beside
from benchmark.shapes import Batch, PerSample

MAX_ELEMENTS_PER_SOLVE = 600_000
"""Rows x dimensions solved at once, to bound memory: 200 images of 3 x 32 x 32, or ten thousand
rows of 60 columns."""


ArrayLike = Tensor | np.ndarray


def rows_at_once(x: Batch) -> int:
    """The largest number of rows like these whose likelihood is solved at a time."""
    return _at_once(tuple(x.shape[1:]))


def _at_once(event: tuple[int, ...]) -> int:
    return max(1, MAX_ELEMENTS_PER_SOLVE // math.prod(event))


def _check_times(*times: float) -> None:
    for t in times:
        if not 0 <= t <= 1:
            raise ValueError(f"t is {t}; allowed is from 0, the base, to 1, the data.")


def _by_distance(z: Batch) -> list[Tensor]:
    """Places of rows that are finite: near the origin, as most are, and in each decade beyond."""
    norms = z.flatten(1).norm(dim=1)
    finite = norms.isfinite().nonzero().flatten()
    if not len(finite):
        return [finite]
    usual = norms[finite].median().clamp_min(torch.finfo(norms.dtype).tiny)
    decades = (norms[finite] / usual).log10().floor().clamp_min(0)
    return [finite[decades == decade] for decade in decades.unique()]


def _fill_if_possible(
    solve: Callable[[Batch], Tensor], rows: Batch, values: Tensor, part: Tensor
) -> None:
    """Set the ``values`` of a ``part`` of the rows where there is a solution, row by row if need
    be."""
    try:
        values[part] = solve(rows[part])
    except FloatingPointError:
        for row in torch.split(part, 1) if len(part) > 1 else ():
            _fill_if_possible(solve, rows, values, row)


class Model(nn.Module):
    """A method in the coordinates of the data; ``tolerance`` is that of its ODE solves.

    ``event`` is the shape of a row, if it is known: rows of another shape are then refused.
    ``units`` are those of the table that the rows are from, if they are of one.
    """

    def __init__(
        self,
        method: Method,
        coordinates: Coordinates,
        tolerance: Tolerance,
        event: tuple[int, ...] | None = None,
        units: Units | None = None,
    ) -> None:
        super().__init__()
        self.method, self.coordinates, self.tolerance = method, coordinates, tolerance
        self.event, self.units = event, units

    def log_prob(
        self, x: ArrayLike, t: float = 1.0, tolerance: Tolerance | None = None
    ) -> PerSample:
        """Log-density in nats of rows ``x`` of the prepared data, ``[n, *event]``, float64.

        ``x`` is a tensor or an array of floats, on any device. Of a flow, at any time ``t`` of its
        path, from the base at 0 to the data at 1. At most ``MAX_ELEMENTS_PER_SOLVE`` are solved at
        a time, to bound memory, and rows that are ten times as far out as most apart from these,
        which they would slow down. NaN for a row that is not finite, or so far out that its ODE has
        no solution. Raises ``ValueError`` for rows of another shape and times outside [0, 1].
        """
        rows, tolerance = self._rows(x), tolerance or self.tolerance
        _check_times(t)
        values = rows.new_full((len(rows),), torch.nan)
        return self._apart(
            lambda some: self.solve_log_prob(some, tolerance, t).values, rows, values
        )

    def score(self, x: ArrayLike, tolerance: Tolerance | None = None) -> Batch:
        """Gradient of ``log_prob(x)`` in ``x`` at ``t = 1``, ``[n, *event]``, float64.

        Of a closed form that of its formula, of a flow by automatic differentiation of the exact
        likelihood, a second derivative of the network for each coordinate. Rows as in ``log_prob``.
        """
        rows, tolerance = self._rows(x), tolerance or self.tolerance

        def solve(some: Batch) -> Batch:
            with torch.enable_grad():
                some = some.detach().requires_grad_()
                z = self.coordinates(some)
                slope = self.method.log_prob_gradient(z.detach(), tolerance)
                total = (z * slope).sum() + self.coordinates.log_det(some).sum()
                return torch.autograd.grad(total, some)[0]

        return self._apart(solve, rows, torch.full_like(rows, torch.nan))

    def _apart(self, solve: Callable[[Batch], Tensor], rows: Batch, values: Tensor) -> Tensor:
        """``values`` with those of ``solve``, rows far out apart and left where that fails."""
        near, *far = _by_distance(self.coordinates(rows))
        for part in torch.split(near, rows_at_once(rows)) if len(near) else ():
            values[part] = solve(rows[part])
        for some in far:
            for part in torch.split(some, rows_at_once(rows)):
                _fill_if_possible(solve, rows, values, part)
        return values

    def _rows(self, x: ArrayLike) -> Batch:
        """Rows in double precision, where the model is.

        Raises ``ValueError`` for another shape, and for rows whose gradients are asked for.
        """
        rows = x if isinstance(x, Tensor) else torch.from_numpy(np.array(x, dtype=np.float64))
        shape = tuple(rows.shape)
        if rows.ndim < 2 or (self.event is not None and shape[1:] != self.event):
            event = ", ".join(map(str, self.event)) if self.event is not None else "*event"
            raise ValueError(f"The rows have shape {shape}; allowed is [n, {event}].")
        if rows.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                "The rows require gradients, and none is kept: backward() would find nothing. Pass "
                "x.detach(), and take the gradient of the log-density from score(x)."
            )
        return rows.to(next(self.buffers()).device, torch.float64)

    @overload
    def sample(self, n: int, *, log_prob: Literal[False] = False, **options: Any) -> Batch: ...

    @overload
    def sample(self, n: int, *, log_prob: Literal[True]) -> Drawn: ...

    def sample(self, n: int, *, log_prob: bool = False, **options: Any) -> Batch | Drawn:
        """``n`` samples in the coordinates of the prepared data, float64.

        ``options`` are those of the method's own ``sample``, e.g. ``epsilon`` of an interpolant.
        With ``log_prob`` the samples of the ODE and their log-densities, in one integration.
        Raises ``ValueError`` for a negative ``n``, and for ``log_prob`` with options or of a method
        without a log-density.
        """
        if n < 0:
            raise ValueError(f"n is {n}; allowed is a number of samples.")
        if log_prob:
            return self._sample_log_prob(n, options)
        return self.solve_sample(max(n, 1), **options).values[:n]  # a solver needs a row

    def _sample_log_prob(self, n: int, options: dict[str, Any]) -> Drawn:
        gap = self.method.likelihood_gap()
        if options or gap:
            why = gap or f"samples with {', '.join(options)} have none that is solved beside them"
            raise ValueError(f"sample: log_prob is True; allowed is False, as {why}.")
        size = n if self.event is None else _at_once(self.event)
        sizes = [min(size, n - start) for start in range(0, n, size or 1)] or [1]
        drawn = map(self.solve_sample_log_prob, sizes)
        return Drawn(*(torch.cat(parts)[:n] for parts in zip(*drawn, strict=True)))

    def transport(self, x: ArrayLike, start: float = 0.0, end: float = 1.0) -> Batch:
        """Where the flow carries ``x`` from time ``start`` to time ``end``, forward or backward.

        In the coordinates of the prepared data throughout, float64. NaN as in ``log_prob``. Raises
        ``ValueError`` for rows of another shape and times outside [0, 1].
        """
        _check_times(start, end)
        flow, rows = self.flow, self._rows(x)

        def solve(some: Batch) -> Batch:
            z = self.coordinates(some)
            return self.coordinates.inverse(flow.transport(z, self.tolerance, start, end).values)

        return self._apart(solve, rows, torch.full_like(rows, torch.nan))

    def in_units(self) -> "Model":
        """The same model of rows in the units of the table, before ``standardise``.

        Its log-densities are less by ``units.log_scale``. Raises ``ValueError`` where the data set
        keeps no units.
        """
        units = self._known_units()
        moments = torch.tensor([units.mean, units.deviation], dtype=torch.float64)
        first = Affine(*moments).to(next(self.buffers()).device)
        plain = {"mean": (0.0,) * len(units.mean), "deviation": (1.0,) * len(units.mean)}
        within = Composed(first, self.coordinates)
        rest = units.model_copy(update=plain)
        return Model(self.method, within, self.tolerance, self.event, rest)

    def table(self, n: int, **options: Any) -> pd.DataFrame:
        """``n`` samples in units under the names of the columns, ready for ``to_csv``.

        Raises ``ValueError`` where the data set keeps no units.
        """
        return self._known_units().table(self.sample(n, **options).cpu().numpy())

    def _known_units(self) -> Units:
        if self.units is None:
            raise ValueError(
                "No units are kept with the prepared rows of this model, or they do not lie in "
                "the folder data beside those of its method: its rows are in the coordinates of "
                "the prepared data."
            )
        return self.units

    @property
    def flow(self) -> Flow:
        """The method, a flow. Raises ``TypeError`` where it is none."""
        if not isinstance(self.method, Flow):
            raise TypeError(f"{type(self.method).__name__} is no flow: it has no path to a base.")
        return self.method

    def solve_log_prob(self, x: ArrayLike, tolerance: Tolerance, t: float = 1.0) -> Likelihood:
        """``log_prob`` of finite rows in one solve at a ``tolerance``, and its NFE and nodes."""
        rows = self._rows(x)
        _check_times(t)
        likelihood = self.method.log_prob(self.coordinates(rows), tolerance, t)
        values = likelihood.values + self.coordinates.log_det(rows)
        return likelihood._replace(values=values.detach())

    def solve_sample(self, n: int, **options: Any) -> Solution:
        """``sample``, and its NFE."""
        values, nfe = self.method.sample(n, self.tolerance, **options)
        return Solution(self.coordinates.inverse(values), nfe)

    def solve_sample_log_prob(self, n: int) -> Drawn:
        """``n`` samples and their log-densities in one solve."""
        z, log_prob = self.method.sample_log_prob(n, self.tolerance)
        x = self.coordinates.inverse(z.double())
        return Drawn(x, (log_prob + self.coordinates.log_det(x)).detach())


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
    tolerance = tolerance or _tolerance_of(Path(folder), stored)
    model = Model(method, coordinates, tolerance, stored.event, units_beside(folder))
    model.load_state_dict(load_file(Path(folder) / WEIGHTS))
    return model.eval()


def _tolerance_of(folder: Path, stored: ModelFile) -> Tolerance:
    evaluated = folder / LIKELIHOOD
    protocol: Any = LikelihoodFile.load(evaluated).protocol if evaluated.exists() else {}
    if "atol" in protocol:
        return Tolerance(protocol["atol"], protocol["rtol"])
    return Tolerance.of(stored.validation)


def parameters(model: nn.Module) -> int:
    """Number of trained parameters of a model."""
    return sum(weights.numel() for weights in model.parameters())
