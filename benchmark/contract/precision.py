"""Precision and device: float64 results of float32 weights, and no tensor left behind."""

import copy

import torch

from benchmark.contract.finding import DoesNotApply, Finding, close
from benchmark.contract.subject import FINE, ROUGH, evaluated, require_likelihood
from benchmark.flow import Flow, Method

ROUNDED = (1e-3, 1e-3)
"""float32 velocities: 1e-7 of coefficients that reach beta / deviation ~ 100, and 1e-4."""


def in_double(method: Method, event: tuple[int, ...]) -> Finding:
    """Log-densities and samples of float32 weights are float64, and near those of float64."""
    require_likelihood(method)
    x = torch.randn(5, *event)
    exact = method.log_prob(x, FINE).values.detach()
    single = copy.deepcopy(method).float()
    found = single.log_prob(x.float(), ROUGH).values.detach()
    drawn = single.sample(3, ROUGH).values
    for name, values in {"log_prob": found, "sample": drawn}.items():
        if values.dtype != torch.float64:
            said = f"{name} gives {values.dtype}; allowed is torch.float64 (end it by .double())"
            return Finding(False, said, (name,))
    fault = "digits are lost between float32 weights and the result@log_prob@velocity"
    what = "log-densities of float32 and of float64 weights, both float64"
    return close(what, found, exact, ROUNDED, fault)


def elsewhere(method: Method, event: tuple[int, ...]) -> Finding:
    """What a method says on a GPU is what it says here; its loss runs there.

    Without a GPU, the velocity runs on torch's device ``meta``, which computes no number, but
    refuses tensors that were left on the CPU.
    """
    x = torch.randn(5, *event)
    if not torch.cuda.is_available():
        return _on_meta(method, event)
    moved = copy.deepcopy(method).to("cuda")
    found = evaluated(moved, x.to("cuda")).cpu()
    if method.trained:
        moved.loss(x.to("cuda")).backward()  # type: ignore[no-untyped-call]
    fault = "a tensor is left on the CPU, or the device computes another thing@log_prob@velocity"
    return close("values on the GPU and on the CPU", found, evaluated(method, x), ROUNDED, fault)


def _on_meta(method: Method, event: tuple[int, ...]) -> Finding:
    if not isinstance(method, Flow):
        raise DoesNotApply("there is no other device here")
    moved = copy.deepcopy(method).to("meta")
    t, x = torch.empty((), device="meta"), torch.empty(5, *event, device="meta")
    try:
        moved.velocity(t, x)
    except RuntimeError as failure:
        if "device" not in str(failure) or "meta" not in str(failure):
            raise DoesNotApply("there is no other device here") from None
        why, *_ = str(failure).splitlines()
        said = f"at least 1 tensor (allowed 0) stays behind when the method is moved ({why})"
        return Finding(False, f"{said}: make it a buffer, or move it to x", ("velocity",))
    except NotImplementedError:  # it looks at numbers, of which there are none
        raise DoesNotApply("there is no other device here") from None
    return Finding(True, "there is no GPU here; no tensor of the velocity is tied to the CPU")
