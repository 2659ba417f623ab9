"""What every network has to be: a map of each row alone, its divergence that of the Jacobian."""

import torch
from mymethods.mine import Mine
from torch import Tensor


def test_its_divergence_is_the_trace_of_the_jacobian_of_each_row_alone() -> None:
    torch.manual_seed(0)
    network = Mine((3,), width=16).double()
    t, x = torch.rand(5).double(), torch.randn(5, 3).double()
    assert network(t, x).shape == x.shape

    def trace(t: Tensor, x: Tensor) -> Tensor:
        return torch.func.jacrev(lambda row: network(t[None], row[None])[0])(x).trace()

    traces = torch.stack([trace(*pair) for pair in zip(t, x, strict=True)])
    torch.testing.assert_close(network.divergence(t, x), traces)
