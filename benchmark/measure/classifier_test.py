"""Classifier two-sample test: how well a classifier tells samples from test rows.

The accuracy on rows that it was not fitted to is 0.5 where both have one density (Lopez-Paz and
Oquab, 2017), and 1 where they share no row.
"""

import math

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from benchmark.measure.two_samples import Distance, TwoSamples, some


class ClassifierTest(TwoSamples):
    """The held-out accuracy of boosted trees of scikit-learn, with its binomial error.

    They are fitted to half of as many samples as test rows, and tell the other half apart.
    """

    metric, heading, least = "classifier_test", "Classifier accuracy", 0.0

    def distance(self, x: np.ndarray, y: np.ndarray) -> Distance:
        n = min(len(x), len(y))
        rows = np.concatenate([some(x, n), some(y, n)])
        source = np.repeat([0, 1], n)
        halves = train_test_split(rows, source, test_size=0.5, random_state=0, stratify=source)
        return _accuracy(*halves)


def _accuracy(
    fitted: np.ndarray, held_out: np.ndarray, fitted_source: np.ndarray, source: np.ndarray
) -> Distance:
    with threadpool_limits(1):
        classifier = HistGradientBoostingClassifier(random_state=0)
        share = float(classifier.fit(fitted, fitted_source).score(held_out, source))
    return Distance(share, math.sqrt(share * (1 - share) / len(source)), len(source))
