"""Points at which log-densities are audited: draws of a mixture that is broader than the data."""

import math
from pathlib import Path

import numpy as np
import torch
from sklearn.mixture import GaussianMixture as Fit
from threadpoolctl import threadpool_limits

from benchmark.data import dataset
from benchmark.data.description import describe
from benchmark.densities import GaussianMixture
from benchmark.files import atomic
from benchmark.measure.two_samples import training_rows

POINTS, COMPONENTS, FIT_ROWS = 5000, 10, 10_000
"""Points, components of the mixture, and the training rows it is fitted to."""
WIDE, WIDE_SHARE = 2.0, 0.1
"""Of the component that holds all data: its scale, and its share of the points."""


def write_points(data: Path, points: Path, densities: Path) -> None:
    """Write the ``points`` of a data set, and log-densities of the proposal there.

    ``densities`` has these in nats at the points (``points``) and at the test rows (``test``).
    """
    proposal, kind = broadened(training_rows(data, FIT_ROWS)), dataset.pass_rows(data).dtype
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = proposal.sample(POINTS).numpy().astype(kind)
    rows = {"points": drawn, "test": dataset.pass_rows(data)}
    log_prob = {name: proposal.log_prob(torch.tensor(x).double()) for name, x in rows.items()}
    with atomic(points) as temporary, temporary.open("wb") as file:
        np.save(file, drawn.reshape(-1, *describe(data).event))
    with atomic(densities) as temporary, temporary.open("wb") as file:
        np.savez(file, points=log_prob["points"].numpy(), test=log_prob["test"].numpy())


def broadened(rows: np.ndarray) -> GaussianMixture:
    """A Gaussian mixture fitted to rows ``[n, d]``, with covariances ``1 + 1 / sqrt(d)`` as large.

    So about a third of its points are effective for a Gaussian of any dimension d. One component
    more has the mean of all rows and twice their spread.
    """
    rows = rows.astype(float)
    centre, scale, dim = rows.mean(axis=0), rows.std(axis=0), rows.shape[1]
    z = (rows - centre) / scale
    count = max(1, min(COMPONENTS, len(z) // (20 * dim)))
    with threadpool_limits(1):
        fit = Fit(count, random_state=0, reg_covar=1e-4).fit(z)
    everything = np.cov(z, rowvar=False).reshape(1, dim, dim) + 1e-4 * np.eye(dim)
    covariances = np.concatenate(
        [(1 + 1 / math.sqrt(dim)) * fit.covariances_, WIDE**2 * everything]
    )
    weights = np.append((1 - WIDE_SHARE) * fit.weights_, WIDE_SHARE)
    means = np.concatenate([fit.means_, np.zeros((1, dim))])
    return GaussianMixture(
        torch.tensor(weights),
        torch.tensor(centre + scale * means),
        torch.tensor(scale[:, None] * np.linalg.cholesky(covariances)),
    )
