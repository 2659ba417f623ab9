"""What a fit is made with, and sections of a config as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from benchmark.suite.classes import parts_of
from benchmark.suite.grid import merged
from benchmark.suite.models import Budget, MethodEntry
from benchmark.training.settings import Training


@dataclass(frozen=True)
class Hyperparameters:
    """What a fit is made with: class of the method, arguments of its ``build``, and training."""

    kind: str
    model: dict[str, Any]
    train: Training

    @property
    def classes(self) -> list[str]:
        """The class of the method, and those that its arguments name."""
        return [self.kind, *parts_of(self.model)]


def plain(section: BaseModel | None, **chosen: Any) -> dict[str, Any]:
    """A section as plain values, without what it does not say: new keys change no hash."""
    if section is None:
        return {}
    return section.model_dump(by_alias=True, exclude_defaults=True, **chosen)


def hyperparameters(
    method: MethodEntry, dataset: str, budget: Budget | None = None
) -> Hyperparameters:
    """Those of a method of this library on a data set, which may have a budget for all."""
    assert method.kind is not None
    model, train = sections(method, dataset)
    if train.get("steps") != 0:
        train |= plain(budget)
    return Hyperparameters(method.kind, model, Training.model_validate(train))


def sections(method: MethodEntry, dataset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """``model`` and ``train`` of a method, with what differs on a data set."""
    differences = method.per_dataset if isinstance(method.per_dataset, Mapping) else {}
    differs = differences.get(dataset)
    model, train = (differs.model, differs.train) if differs is not None else ({}, {})
    return merged(method.model or {}, model), merged(method.train or {}, train)
