"""The sections of config.yaml as types: what they may hold, and what it means."""

import contextlib
from typing import Annotated, Any, Literal

from annotated_types import Ge, Len
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from benchmark.archives.index import is_address
from benchmark.data.catalogue import catalogue
from benchmark.measure.evaluation_settings import EvaluationSettings
from benchmark.measure.feature_settings import Features
from benchmark.section import Count, Positive, Section, Seed, Tolerances, Whole, distinct
from benchmark.suite.letters import one_line
from benchmark.training.settings import Search

Name = Annotated[str, Field(pattern="^[A-Za-z0-9_]+$")]

Label = Annotated[str, AfterValidator(one_line)]

Seeds = Annotated[list[Seed], Len(min_length=1), AfterValidator(distinct)]


def _as_given(name: str) -> Any:
    """What Snakemake makes of a name on the command line (``--config suite=12``)."""
    for kind in (int, float, {"True": True, "False": False}.__getitem__):
        with contextlib.suppress(ValueError, KeyError):
            return kind(name)
    return name


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _cataloged(source: str) -> str:
    """Raises the error of a ``Literal``, which lists what is allowed."""
    if source not in catalogue():
        names = ", ".join(map(repr, sorted(catalogue())))
        raise PydanticCustomError("literal_error", "one of {expected}", {"expected": names})
    return source


def _no_address(path: str) -> str:
    if is_address(path):
        raise ValueError("a path: an address, with its sha256, stands in the entry of a method")
    return path


class Evaluation(EvaluationSettings):
    """How every method of the suite is measured, and drawn."""

    grid: Annotated[Whole, Ge(2)] = Field(
        description="points per axis of the image of a 2-D density"
    )
    frames: Annotated[Whole, Ge(2)] = Field(
        description="images of a 2-D density along the path of a flow, from t = 0 to t = 1"
    )
    frame_grid: Annotated[Whole, Ge(2)] = Field(description="points per axis of each of them")


class HeldOut(Section):
    """How many held-out rows are used, a fixed random subset; all without this key."""

    validation: Count | None = Field(None, description="rows to choose by")
    test: Annotated[Whole, Ge(2)] | None = Field(None, description="rows to report")


class Budget(Section):
    """The budget of every trained method on a data set: steps or seconds."""

    steps: Count | None = Field(None, description="optimiser steps")
    seconds: Positive | None = Field(None, description="seconds of optimiser steps")

    def model_post_init(self, context: Any) -> None:
        """Raises ``ValueError`` unless one of the two is given."""
        if (self.steps is None) == (self.seconds is None):
            raise ValueError("one of steps and seconds")


class Rows(Section):
    """Where the rows of a data set come from."""

    kind: str = Field(
        alias="class", description="dotted name of a subclass of benchmark.data.dataset.Dataset"
    )
    source: Annotated[str, AfterValidator(_cataloged)] | None = Field(
        None,
        description="name of the entry of benchmark/data/catalogue.yaml that it is made from",
    )
    file: str | None = Field(
        None,
        description="path of a file of your own that it is made from, from the folder in which "
        "Snakemake runs",
    )
    test: str | None = Field(
        None,
        description="path of a file of your own with the test rows; the shares of a table's split "
        "are then those of training and validation rows",
    )
    arguments: dict[Any, Any] = Field({}, description="arguments of the class's prepare")

    @property
    def files(self) -> list[str]:
        """The files of the user's own."""
        return [path for path in (self.file, self.test) if path is not None]

    def model_post_init(self, context: Any) -> None:
        """Raises ``ValueError`` for test rows without others."""
        if self.test is not None and self.file is None:
            raise ValueError("test only beside file")


class Published(Section):
    """The published results beside which the measured ones stand."""

    as_: str = Field(
        alias="as", description="data set of benchmark/baselines/published/results.csv"
    )
    tolerance: Positive = Field(
        description="largest difference from a published NLL, either way, in the unit of the NLL"
    )
    remark: str | None = Field(
        None,
        description="what sets the two data sets or protocols apart, for the notes of the table",
    )


class DatasetEntry(Rows):
    """A data set of a suite."""

    label: Label = Field(description="name in tables and figures")
    held_out: HeldOut | None = Field(
        None,
        description="how many of the rows that are held out, a fixed random subset, the same for "
        "every method; all without this key",
    )
    budget: Budget | None = Field(
        None,
        description="the budget of every trained method on this data set, {steps: N} or "
        "{seconds: S}; then no method has one of its own",
    )
    features: Features | None = Field(
        None,
        description="samples of images are compared with the training images by their features: "
        "{classifier: ...} or {inception: ...}",
    )
    base: Rows | None = Field(
        None,
        description="the data set at the other end of the flow, instead of a density that is known",
    )
    published: Published | None = Field(
        None, description="published results beside which the measured ones stand"
    )


class Difference(Section):
    """Changes of a method for one data set."""

    model: dict[str, Any] = Field({}, description="arguments of the class's build")
    train: dict[str, Any] = Field({}, description="settings of the training")


class MethodEntry(Section):
    """A method of a suite: a class, or another program with rules of its own (then no class)."""

    label: Label = Field(description="name in tables and figures")
    colour: str = Field(pattern="^#[0-9a-fA-F]{6}$", description="colour in every figure, #rrggbb")
    kind: str | None = Field(
        None, alias="class", description="dotted name of a subclass of benchmark.flow.Method"
    )
    seeds: Seeds | None = Field(None, description="seeds, each a refit, if not the suite's")
    datasets: Annotated[list[str], Len(min_length=1)] | None = Field(
        None, description="the data sets it runs on, if not all"
    )
    model: dict[str, Any] | None = Field(None, description="arguments of the class's build")
    train: dict[str, Any] | None = Field(None, description="settings of the training")
    per_dataset: dict[str, Difference] | str = Field(
        {},
        description="what differs on a data set, in full or as the path of a YAML file that "
        "holds it",
    )
    rules: str | None = Field(
        None,
        description="path of a file of Snakemake rules, from the folder in which Snakemake runs: "
        "those of another program, or what differs from the usual rule",
    )
    results_from: str | None = Field(
        None,
        description="path or http(s) address of an archive, made by `make archive`, that has the "
        "finished runs: nothing is trained; a class with other hyperparameters than there is an "
        "error",
    )
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="SHA-256 of that archive; needed of an address"
    )

    def model_post_init(self, context: Any) -> None:
        """Raises ``ValueError`` unless class, model and train are there together, or rules, or an
        archive (of an address, with its sha256)."""
        given = [name for name in ("model", "train") if getattr(self, name) is not None]
        if self.kind is None and given:
            raise ValueError(f"{given[0]} only beside a class")
        if self.kind is not None and len(given) < 2:
            raise ValueError("a class only with model and train beside it")
        if self.kind is None and self.rules is None and self.results_from is None:
            raise ValueError(
                "a class, or rules: the path of a file of Snakemake rules, or results_from: an "
                "archive of finished runs"
            )
        if is_address(self.results_from or "") and self.sha256 is None:
            raise ValueError("results_from an address only with its sha256")
        if self.results_from is None and self.sha256 is not None:
            raise ValueError("sha256 only beside results_from")


class MeasurementEntry(Section):
    """A measurement of a suite beside NLL and cost."""

    kind: str = Field(
        alias="class",
        description="dotted name of a subclass of benchmark.measure.measurement.Measurement",
    )
    label: Label | None = Field(None, description="name in the caption of its table")
    datasets: Annotated[list[str], Len(min_length=1)] | None = Field(
        None, description="the data sets it is made on, if not all that it can be made on"
    )
    arguments: dict[str, Any] = Field({}, description="arguments of the class")


class SuiteSection(Section):
    """One comparison: every data set x method x seed, less what a method leaves out."""

    seeds: Seeds = Field(description="seeds, each a refit")
    threads: Count = Field(
        1, description="CPU threads of a training or an evaluation; 1 without this key"
    )
    search: Search | None = Field(
        None,
        description="every trained method tries learning rates, each with a share of its budget, "
        "and is trained with that of the lowest validation NLL",
    )
    validation: Tolerances = Field(
        description="the ODE solves of the validation rows along the training"
    )
    evaluation: Evaluation = Field(description="how every method of the suite is measured")
    datasets: Annotated[dict[Name, DatasetEntry], Len(min_length=1)] = Field(
        description="the data sets, by name"
    )
    methods: Annotated[dict[str, MethodEntry], Len(min_length=1)] = Field(
        description="the methods, by name"
    )
    measurements: dict[Name, MeasurementEntry] = Field(
        {}, description="measurements beside NLL and cost, by name"
    )
    results_from: Annotated[str, AfterValidator(_no_address)] | None = Field(
        None,
        description="path of an archive, made by `make archive`: every method that it has comes "
        "from it, and only the others are trained",
    )


class Config(Section):
    """The keys of config.yaml."""

    suite: str = Field(description="name of the suite to run")
    mirrors: list[str] = Field(
        description="folders or http(s) addresses that are tried for a download before the "
        "official address"
    )
    device: Literal["auto", "cpu"] = Field(
        description="what jobs compute on. auto is the GPU that a job has asked for (resource "
        "gpu) or, where nothing was said, one if there is one; a job on a cluster that has asked "
        "for a GPU and finds none fails"
    )
    python_path: list[str] = Field(
        [], description="folders of classes of your own, from the folder in which Snakemake runs"
    )
    suites: Annotated[dict[Name, dict[str, Any] | str], Len(min_length=1)] = Field(
        description="the suites by name, each in full or as the path of a YAML file that holds it"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_name(cls, content: Any) -> Any:
        """The name of the suite as text, where the command line has made a number of it."""
        given, suites = (content.get(key) for key in ("suite", "suites"))
        if isinstance(given, str) or not isinstance(suites, dict):
            return content
        meant = [n for n in suites if isinstance(n, str) and _is_same(_as_given(n), given)]
        return {**content, "suite": meant[0]} if len(meant) == 1 else content
