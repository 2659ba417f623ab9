"""A fit: what it is made with, the fitted model, and the rows of its training curve."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from benchmark import model, names
from benchmark.data import dataset
from benchmark.data.description import Description, describe
from benchmark.flow import Method
from benchmark.measure import evaluation
from benchmark.measure.evaluated import Beside
from benchmark.measure.evaluation import HeldOut
from benchmark.model import Model
from benchmark.ode import Tolerance
from benchmark.records import provenance
from benchmark.records.run import Run
from benchmark.rows import Rows
from benchmark.runtime.checkpoint import Part
from benchmark.section import Tolerances
from benchmark.training.loop import Row, Validation, fit
from benchmark.training.settings import Hyperparameters, Training


@dataclass(frozen=True)
class Fit:
    """A run and what its model depends on: ``validation`` is how validation rows are solved.

    ``config`` and ``source`` are the hash of the config and the digest of the source.
    """

    run: Run
    hyperparameters: Hyperparameters
    validation: Tolerances
    config: str
    source: str

    @property
    def description(self) -> Description:
        """The description of the prepared rows."""
        return describe(self.run.data)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that build the method: those of the config, and what the data add."""
        kind, description = names.load(self.hyperparameters.kind), self.description
        given = {"density": description.density} if "density" in kind.requires else {}
        known = {} if description.base is None else {"base_rows": description.base}
        return {**self.hyperparameters.model, **given, **known}

    def key(self, device: torch.device) -> dict[str, str]:
        """The key under which the fit may resume: all of it has to be the same."""
        return provenance.resume_key(
            self.run, self.source, self.config, self.description.hash, device
        )

    def provenance(self, devices: str) -> dict[str, Any]:
        """Where the fit comes from, for its records."""
        made = (self.hyperparameters.classes, self.source, self.config)
        return provenance.of_classes(*made, device=devices, threads=torch.get_num_threads())


def fitted(
    given: Fit, settings: Training, device: torch.device, part: Part
) -> tuple[Model, list[Row]]:
    """The model fitted with ``settings``, and the rows of its training curve."""
    torch.manual_seed(given.run.seed)
    description, run = given.description, given.run
    event, tolerance = description.event, Tolerance.of(given.validation)
    method = model.build(given.hyperparameters.kind, event, given.arguments).to(device)
    rows = Rows(dataset.rows(run.data, "train"), description.levels, device)
    to_method = rows.fitted(settings.coordinates)
    held_out = HeldOut(run.data, "validation", dataset.VALIDATION_NOISE, device)[:]

    def nll(method: Method) -> float:
        torch.manual_seed(evaluation.PROBES)  # those of every validation, of every method
        values = Model(method, to_method, tolerance).log_prob(held_out).cpu().numpy()
        return float(description.nll(values).mean())

    def validate(method: Method) -> Validation:
        beside, x1 = Beside(), to_method.rounded(held_out)
        diagnostics = beside.take("diagnostics", lambda: method.diagnostics(x1)) or {}
        if method.likelihood_gap() is not None:
            return Validation(None, diagnostics)
        if settings.early_stopping:  # which depends on it
            return Validation(nll(method), diagnostics)
        value = beside.take("validation NLL", lambda: nll(method))
        return Validation(math.nan if value is None else value, diagnostics)

    base = None
    if description.base is not None:
        base = Rows(dataset.rows(run.data, "base"), description.levels, device).within(to_method)
    trained, history = fit(method, rows.within(to_method), settings, validate, base, part)
    return Model(trained, to_method, tolerance), history
