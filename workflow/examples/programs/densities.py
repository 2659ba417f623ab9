"""A Gaussian mixture or a kernel density by scikit-learn, of the size that validation rows choose.

``python densities.py mixture|kernel_density DATA RUN SEED SAMPLES`` reads the prepared rows in the
folder DATA and writes the four files of a run into RUN.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

SPLITS = ("train", "validation", "test")
COMPONENTS = (1, 2, 4, 8, 16, 32)
BANDWIDTHS = (0.025, 0.05, 0.1, 0.2, 0.4)


def candidates(model: str, seed: int) -> list[tuple[dict[str, Any], Any]]:
    """What tells the models to choose from apart, and the models."""
    if model == "mixture":
        sizes = [{"n_components": size} for size in COMPONENTS]
        return [(size, GaussianMixture(**size, random_state=seed)) for size in sizes]
    widths = [{"bandwidth": width} for width in BANDWIDTHS]
    return [(width, KernelDensity(**width)) for width in widths]


def drawn(fit: Any, n: int, seed: int) -> np.ndarray:
    """``n`` samples; a mixture draws with the seed that it was made with."""
    if isinstance(fit, GaussianMixture):
        return fit.sample(n)[0]
    return fit.sample(n, random_state=seed)


def main(model: str, data: Path, run: Path, seed: int, samples: int) -> None:
    """Fit, choose by the mean log-density of the validation rows, and write."""
    train, validation, test = (np.load(data / f"{split}.npy") for split in SPLITS)
    start = time.perf_counter()
    fits = [(size, fit.fit(train)) for size, fit in candidates(model, seed)]
    size, fit = max(fits, key=lambda pair: pair[1].score_samples(validation).mean())
    fitted = time.perf_counter()
    np.save(run / "log_prob.npy", fit.score_samples(test).astype(np.float64))
    evaluated = time.perf_counter()
    np.save(run / "samples.npy", drawn(fit, samples, seed).astype(train.dtype))
    likelihood = {"nfe": None, "protocol": {"solver": f"none ({type(fit).__name__})", **size}}
    cost = {"training_seconds": fitted - start, "likelihood_seconds": evaluated - fitted}
    (run / "likelihood.json").write_text(json.dumps(likelihood))
    (run / "cost.json").write_text(json.dumps(cost))


if __name__ == "__main__":
    model, data, run, seed, samples = sys.argv[1:]
    main(model, Path(data), Path(run), int(seed), int(samples))
