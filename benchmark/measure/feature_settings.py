"""How images of a data set are compared by their features: the key ``features`` of a suite."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import model_validator as validator

Resize = Literal["clean", "legacy_tensorflow"]
"""clean-fid's ways of resizing to 299 x 299 that use Inception's weights."""


class ClassifierFit(BaseModel):
    """How a classifier is trained: units of its last layer, passes over the rows, and the seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: PositiveInt
    epochs: PositiveInt
    seed: NonNegativeInt


class FeatureSettings(BaseModel):
    """The network whose features are compared, ``inception`` or a ``classifier``, and of how many
    images.

    ``name`` is that of the classifier, after which its distances are called. ``samples`` images
    are drawn at each of ``tolerances``, absolute and relative, ``chunk`` at a time; records are of
    the first. Raises ``ValidationError`` unless there is one network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    samples: PositiveInt
    chunk: PositiveInt
    tolerances: tuple[PositiveFloat, ...] = ()
    classifier: ClassifierFit | None = None
    inception: Resize | None = None

    @validator(mode="after")
    def _one_network(self) -> "FeatureSettings":
        if (self.classifier is None) == (self.inception is None):
            raise ValueError("one of `classifier` and `inception` is needed, and not both")
        return self
