"""A run and its files: the one place that says how they are called."""

from dataclasses import dataclass
from pathlib import Path

MODEL, WEIGHTS, LIKELIHOOD = "model.json", "model.safetensors", "likelihood.json"
"""Files of a run from which a fitted model is loaded."""
LOG_PROB, SAMPLES = "log_prob.npy", "samples.npy"
PROGRAM = (LOG_PROB, LIKELIHOOD, SAMPLES, "cost.json")
"""Files of a run that any program writes."""
DRAWINGS = {"density": "density.npz", "path": "path.npz", "backward": "samples_base.npz"}
"""The jobs that draw with a fitted model, and the file of a run that each makes."""


@dataclass(frozen=True)
class Run:
    """The identity of one fit: a seed is a refit of a method on a data set."""

    suite: str
    dataset: str
    method: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where the files of the run lie."""
        return self.method_folder / f"seed{self.seed}"

    @property
    def method_folder(self) -> Path:
        """Where the runs of its method on its data set lie, and what they share."""
        return suite_folder(self.suite) / self.dataset / self.method

    @property
    def data(self) -> Path:
        """The prepared rows of its data set."""
        return data_folder(self.suite, self.dataset)

    @property
    def search(self) -> Path:
        """The learning rates that were tried, and the one chosen."""
        return self.method_folder / "search.json"

    @property
    def weights(self) -> Path:
        """Weights of the fitted method."""
        return self.folder / WEIGHTS

    @property
    def model(self) -> Path:
        """The description that builds the fitted method."""
        return self.folder / MODEL

    @property
    def history(self) -> Path:
        """The training curve."""
        return self.folder / "training.csv"

    @property
    def log_prob(self) -> Path:
        """Log-density in nats of each test row."""
        return self.folder / LOG_PROB

    @property
    def likelihood(self) -> Path:
        """How ``log_prob`` was computed."""
        return self.folder / LIKELIHOOD

    @property
    def samples(self) -> Path:
        """Samples of the fitted method."""
        return self.folder / SAMPLES

    @property
    def points_log_prob(self) -> Path:
        """Optional, of another program: log-density in nats at each of the ``audit_points``."""
        return self.folder / "points_log_prob.npy"

    @property
    def samples_log_prob(self) -> Path:
        """Optional, of another program: log-density in nats of each of its samples."""
        return self.folder / "samples_log_prob.npy"

    @property
    def cost(self) -> Path:
        """Costs of the fit and of its evaluation."""
        return self.folder / "cost.json"

    @property
    def density(self) -> Path:
        """The density on a grid."""
        return self.drawing("density")

    @property
    def path(self) -> Path:
        """Densities, or images, on the way from base to data."""
        return self.drawing("path")

    @property
    def samples_base(self) -> Path:
        """Test rows carried back to ``t = 0``."""
        return self.drawing("backward")

    @property
    def features(self) -> Path:
        """The folder of the features of the images of its data set."""
        return features_folder(self.suite, self.dataset)

    @property
    def reference(self) -> Path:
        """Statistics of the features of the training images."""
        return self.features / "reference.npz"

    @property
    def reference_rows(self) -> Path:
        """Features of some of the training images."""
        return self.features / "reference.npy"

    @property
    def floor(self) -> Path:
        """Records of the distances of test images from the training images."""
        return floor_file(self.suite, self.dataset)

    @property
    def audit_points(self) -> Path:
        """Points at which log-densities on its data set are audited."""
        return audit_folder(self.suite, self.dataset) / "points.npy"

    @property
    def audit_proposal(self) -> Path:
        """Log-densities of what these points are drawn from."""
        return audit_folder(self.suite, self.dataset) / "proposal.npz"

    def drawing(self, job: str) -> Path:
        """The file that a job draws, with the digest of its source (``source``)."""
        return self.folder / DRAWINGS[job]

    def measurement(self, name: str, suffix: str = "json") -> Path:
        """The records of a measurement, or what else it writes."""
        return self.folder / "measurements" / f"{name}.{suffix}"


def suite_folder(suite: str) -> Path:
    """Where the results of a suite lie."""
    return Path("results") / suite


def data_folder(suite: str, dataset: str) -> Path:
    """Where the prepared rows of a data set lie."""
    return suite_folder(suite) / dataset / "data"


def features_folder(suite: str, dataset: str) -> Path:
    """Where the features of the images of a data set lie."""
    return suite_folder(suite) / dataset / "features"


def audit_folder(suite: str, dataset: str) -> Path:
    """Where the points lie at which log-densities on a data set are audited."""
    return suite_folder(suite) / dataset / "audit"


def floor_file(suite: str, dataset: str) -> Path:
    """The records of the floor of a data set of images."""
    return features_folder(suite, dataset) / "floor.json"


def metrics_file(suite: str, suffix: str = ".parquet") -> Path:
    """The frame of all records of a suite."""
    return suite_folder(suite) / f"metrics{suffix}"
