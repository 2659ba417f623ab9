"""How images of a data set are compared by their features: the key ``features`` of a suite."""

from typing import Annotated, Any, Literal

from annotated_types import Ge, Len
from pydantic import AfterValidator, Field

from benchmark.section import Count, Positive, Section, Seed, Whole, distinct

Resize = Literal["clean", "legacy_tensorflow"]
"""clean-fid's ways of resizing to 299 x 299 that use Inception's weights."""


class ClassifierFit(Section):
    """A classifier whose features are compared, trained on the labels of the data set."""

    width: Count = Field(description="number of features")
    epochs: Count = Field(description="passes over the training images")
    seed: Seed = Field(description="of its training")


class Features(Section):
    """How samples of images are compared with the training images by their features."""

    classifier: ClassifierFit | None = Field(
        None,
        description="features of a classifier, trained on the labels of the data set; the "
        "distance is called fd_ and its name",
    )
    inception: Resize | None = Field(
        None,
        description="features of FID by clean-fid; how images are resized before it",
    )
    samples: Annotated[Whole, Ge(4)] = Field(
        description="images drawn from each fit for each tolerance"
    )
    tolerances: Annotated[list[Positive], Len(min_length=1), AfterValidator(distinct)] = Field(
        description="atol and rtol of the ODE solves that draw them; the first is that of the "
        "tables, all are in the figure"
    )

    def model_post_init(self, context: Any) -> None:
        """Raises ``ValueError`` unless there is one kind of features."""
        if (self.classifier is None) == (self.inception is None):
            raise ValueError("one of classifier and inception")


class FeatureSettings(Features):
    """``Features`` of a data set: ``name`` is that of the classifier, after which its distances are
    called, and ``chunk`` images are drawn at a time."""

    name: str
    chunk: Count
