"""Colour mixtures: a small Gaussian mixture in Lab per label, fitted by EM, with a uniform floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outfitswap_desktop.core.arrays import F32

FLOOR = 0.03
"""Share of the uniform density, so that a colour nobody has seen decides nothing."""
LAB_VOLUME = 100.0 * 120.0 * 120.0
"""Volume of Lab that clothes and skin live in, in cubed Lab units."""
CENTRE = np.array((50.0, 0.0, 0.0), np.float32)
"""Colours are taken from here, so that the squares stay small enough for float32."""
SAMPLES = 2500
ROUNDS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """`weights` (k,), `means` (k, 3), `roots` (k, 3, 3): inverse Cholesky factors of the covariances."""

    weights: F32
    means: F32
    roots: F32

    def log_likelihood(self, colours: F32) -> F32:
        """Log density (n,) of Lab `colours` (n, 3), never under the floor's."""
        terms = _quadratic(colours - CENTRE)
        exponents = terms @ self._forms()
        total = np.exp(exponents, out=exponents).sum(axis=1)
        return np.asarray(np.log(total + np.float32(FLOOR / LAB_VOLUME)), np.float32)

    def _forms(self) -> F32:
        """Log density of each component as a quadratic form (10, k) on the terms of _quadratic: one product for all."""
        forms = np.empty((10, len(self.weights)))
        for k, (weight, mean, root) in enumerate(zip(self.weights, self.means, self.roots, strict=True)):
            precision = root.astype(np.float64).T @ root
            middle = mean - CENTRE
            height = np.log((1 - FLOOR) * weight * np.prod(np.diag(root)) / (2 * np.pi) ** 1.5)
            squares = [-0.5 * precision[i, i] for i in range(3)]
            mixed = [-precision[i, j] for i, j in ((0, 1), (0, 2), (1, 2))]
            forms[:, k] = [*squares, *mixed, *(precision @ middle), height - 0.5 * middle @ precision @ middle]
        return forms.astype(np.float32)


def _quadratic(colours: F32) -> F32:
    """All terms (n, 10) of a quadratic form in `colours` (n, 3): squares, mixed products, the values, 1."""
    terms = np.empty((len(colours), 10), np.float32)
    np.multiply(colours, colours, out=terms[:, :3])
    np.multiply(colours[:, :1], colours[:, 1:], out=terms[:, 3:5])
    np.multiply(colours[:, 1], colours[:, 2], out=terms[:, 5])
    terms[:, 6:9] = colours
    terms[:, 9] = 1
    return terms


def flat(colours: F32) -> F32:
    """The log density (n,) of a label that has no samples: as good as a rather common colour, so the prior decides."""
    return np.full(len(colours), np.float32(np.log(1.0 / LAB_VOLUME)) + 1.0, np.float32)


def fit(colours: F32, count: int, *, spread: float = 3.0) -> Mixture:
    """Fit `count` components to Lab `colours` (n, 3); `spread` is the least standard deviation in Lab units.

    Deterministic: samples are taken at even steps, and the start is farthest-point over them.
    """
    if len(colours) > SAMPLES:
        colours = colours[np.linspace(0, len(colours) - 1, SAMPLES).astype(int)]
    colours = np.asarray(colours, np.float64)
    count = max(1, min(count, len(colours) // 30))
    means = _spread_start(colours, count)
    gaps = ((colours[:, None] - means[None]) ** 2).sum(axis=2)
    shares = np.zeros((len(colours), count))
    shares[np.arange(len(colours)), gaps.argmin(axis=1)] = 1
    base = np.eye(3) * spread**2
    weights, roots = np.full(count, 1 / count), np.stack([np.eye(3)] * count)
    for _ in range(ROUNDS):
        mass = shares.sum(axis=0) + 1e-6
        weights = mass / mass.sum()
        means = (shares.T @ colours) / mass[:, None]
        logs = np.empty_like(shares)
        for k in range(count):
            gap = colours - means[k]
            cov = (gap * shares[:, k : k + 1]).T @ gap / mass[k] + base
            roots[k] = np.linalg.inv(np.linalg.cholesky(cov))
            white = gap @ roots[k].T
            logs[:, k] = np.log(weights[k] * np.prod(np.diag(roots[k]))) - 0.5 * (white**2).sum(axis=1)
        logs -= logs.max(axis=1, keepdims=True)
        shares = np.exp(logs)
        shares /= shares.sum(axis=1, keepdims=True)
    return Mixture(weights.astype(np.float32), means.astype(np.float32), roots.astype(np.float32))


def _spread_start(colours: np.ndarray, count: int) -> np.ndarray:
    """Start means: the median, then whatever lies far from all chosen (the 95th percentile, not the outlier)."""
    chosen = [np.median(colours, axis=0)]
    while len(chosen) < count:
        far = np.min([((colours - c) ** 2).sum(axis=1) for c in chosen], axis=0)
        chosen.append(colours[np.argsort(far)[int(0.95 * (len(far) - 1))]])
    return np.stack(chosen)
