"""Control: the true density of a synthetic data set, the best any method can do."""

from benchmark.densities import Density
from benchmark.flow import ClosedForm
from benchmark.names import load


class Oracle(ClosedForm):
    """The density that made the data."""

    requires = ("density",)

    def __init__(self, density: Density) -> None:
        super().__init__()
        self.density = density

    @classmethod
    def build(cls, event: tuple[int, ...], density: str) -> "Oracle":
        return cls(load(density)())
