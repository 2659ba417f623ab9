"""Maximisation over some parameters of a loss that is minimised over the others."""

from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization


class Ascent(nn.Module):
    """The value ``pace * p`` of a parameter ``p`` whose gradient has the opposite sign.

    Gradient descent in ``p`` therefore increases the loss. A step of Adam, which does not depend on
    the size of the gradient, changes the value by ``pace`` times the learning rate.
    """

    def __init__(self, pace: float) -> None:
        super().__init__()
        self.pace = pace

    def forward(self, p: Tensor) -> Tensor:
        value = self.pace * p
        return 2 * value.detach() - value

    def right_inverse(self, value: Tensor) -> Tensor:
        """The parameter that has this value."""
        return value / self.pace


def ascend(module: nn.Module, pace: float) -> None:
    """Maximise over every parameter of ``module`` itself (not of its children), at ``pace``."""
    for name in [name for name, _ in module.named_parameters(recurse=False)]:
        register_parametrization(module, name, Ascent(pace))
