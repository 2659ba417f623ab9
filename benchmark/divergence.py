"""The divergence of a velocity field: exact, or Hutchinson's estimate."""

import torch
from jaxtyping import Float
from torch import Tensor

from benchmark.shapes import Batch, PerSample, Velocity

Probes = Float[Tensor, "batch probes *event"]


def exact_divergence(velocity: Velocity, t: Float[Tensor, ""], x: Batch) -> PerSample:
    """Trace of the Jacobian of ``velocity(t, .)`` at each sample of ``x``.

    Costs one vector-Jacobian product per coordinate.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(t, x).flatten(1)
        rows = (
            torch.autograd.grad(v[:, i].sum(), x, retain_graph=i + 1 < v.shape[1])[0]
            for i in range(v.shape[1])
        )
        diagonal = [row.flatten(1)[:, i] for i, row in enumerate(rows)]
    return torch.stack(diagonal).sum(dim=0)


def hutchinson_divergence(v: Batch, x: Batch, probe: Batch) -> PerSample:
    """Unbiased estimate ``probe . J probe`` of the divergence of ``v = velocity(t, x)``.

    ``v`` must have been computed from ``x`` with gradients enabled; the estimate is itself
    differentiable. ``probe`` has zero mean and identity covariance, and stays fixed along an ODE
    solve so that the integrand is smooth (Grathwohl et al., 2019, section 3.1).
    """
    (product,) = torch.autograd.grad(v, x, probe, create_graph=True)
    return (product * probe).flatten(1).sum(dim=1)


def rademacher(x: Batch, count: int) -> Probes:
    """``count`` probes of independent random signs for each row of ``x``.

    Draws from torch's global generator.
    """
    signs = torch.randint(2, (len(x), count, *x.shape[1:]), device=x.device)
    return (2 * signs - 1).to(x)


def hutchinson_estimates(
    velocity: Velocity, t: Float[Tensor, ""], x: Batch, probes: Probes
) -> Float[Tensor, "batch probes"]:
    """``hutchinson_divergence`` for each of several probes, not differentiable.

    Costs one vector-Jacobian product per probe.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(t, x)
        products = [
            torch.autograd.grad(v, x, probe, retain_graph=True)[0] * probe
            for probe in probes.unbind(dim=1)
        ]
    return torch.stack([product.flatten(1).sum(dim=1) for product in products], dim=1)
