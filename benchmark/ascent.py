"""Maximisation inside a loss that is minimised: one optimiser for a max-min problem."""

from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization


class Ascent(nn.Module):
    """The number ``pace p`` of a parameter ``p`` whose gradient comes with the opposite sign.

    A descent in ``p`` climbs the loss. A step of Adam, which does not depend on the size of the
    gradient, moves the number by ``pace`` times the learning rate.
    """

    def __init__(self, pace: float) -> None:
        super().__init__()
        self.pace = pace

    def forward(self, p: Tensor) -> Tensor:
        value = self.pace * p
        return 2 * value.detach() - value

    def right_inverse(self, value: Tensor) -> Tensor:
        """The parameter of a number."""
        return value / self.pace


def ascend(module: nn.Module, pace: float) -> None:
    """Let every parameter of ``module`` itself be maximised over, at ``pace``."""
    for name in [name for name, _ in module.named_parameters(recurse=False)]:
        register_parametrization(module, name, Ascent(pace))
