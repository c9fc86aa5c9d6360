"""Energies and forces of clusters, learned from energies alone, from forces alone, and from both.

Run ``python benchmarks/peers/forces.py``; ``--help`` lists the options. Morse potentials, without noise: four atoms
that are alike, and five of two species that may permute. Default settings. R² of energies and of forces on 500
clusters; a model of forces alone says nothing of energies. The seed draws samples and model.
"""

import argparse
import time
import warnings

import numpy as np

from fastemlp import FastEMLPRegressor
from fastemlp.groups import O, S
from fastemlp.reps import Scalar, V

N_TEST = 500
DEPTH, LENGTH = np.array([[1.0, 2.0], [2.0, 0.5]]), np.array([[1.0, 1.2], [1.2, 1.5]])


def clusters(rng, n, atoms, has_species):
    """Positions and species (n, atoms·4) or positions alone, energies (n,), and their derivatives in all columns."""
    x = rng.uniform(-1.5, 1.5, (8 * n, atoms, 3))
    distances = np.linalg.norm(x[:, :, None] - x[:, None], axis=-1) + 9 * np.eye(atoms)
    x = x[distances.min((1, 2)) > 0.8][:n]
    x -= x.mean(1, keepdims=True)
    species = rng.integers(2, size=(n, atoms)) if has_species else np.zeros((n, atoms), int)
    i, j = np.triu_indices(atoms, 1)
    apart = x[:, i] - x[:, j]
    r = np.linalg.norm(apart, axis=-1)
    pair = species[:, i], species[:, j]
    decay = np.exp(-1.5 * (r - LENGTH[pair]))
    y = (DEPTH[pair] * ((1 - decay) ** 2 - 1)).sum(1)
    along = (DEPTH[pair] * 3 * (1 - decay) * decay / r)[..., None] * apart
    slopes = np.zeros_like(x)
    for p, (a, b) in enumerate(zip(i, j, strict=True)):
        slopes[:, a] += along[:, p]
        slopes[:, b] -= along[:, p]
    X, dy = x.reshape(n, -1), slopes.reshape(n, -1)
    if has_species:
        # nothing is known of how energies change from one species to another
        X, dy = np.hstack([X, species]), np.hstack([dy, np.full((n, atoms), np.nan)])
    return X, y, dy


def r2(found, right):
    """Of all columns together."""
    return 1 - np.square(found - right).sum() / np.square(right - right.mean(0)).sum()


def main():
    """Print one row per model as it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", nargs="+", type=int, default=[30, 100])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    print("cluster      n  seed  learned from  1 − R²: energies    forces  CPU seconds")
    for name, atoms, has_species in (("alike", 4, False), ("species", 5, True)):
        places, group = V(S(atoms)), S(atoms) * O(3)
        positions = places * V(O(3))
        rep_in = positions + places if has_species else positions
        m = 3 * atoms
        for n in arguments.samples:
            for seed in arguments.seeds:
                X, y, dy = clusters(np.random.default_rng(seed), n + N_TEST, atoms, has_species)
                for what in ("energies", "forces", "both"):
                    rep_out = positions if what == "forces" else Scalar
                    model = FastEMLPRegressor(
                        group, rep_in=rep_in, rep_out=rep_out, random_state=seed
                    )
                    start = time.process_time()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        if what == "forces":
                            model.fit(X[:n], dy[:n, :m])
                            energy, force = np.nan, model.predict(X[n:])
                        else:
                            model.fit(X[:n], y[:n], dy=dy[:n] if what == "both" else None)
                            energy = r2(model.predict(X[n:]), y[n:])
                            force = model.jacobian(X[n:])[..., :m].reshape(N_TEST, m)
                    seconds = time.process_time() - start
                    force = r2(force, dy[n:, :m])
                    print(
                        f"{name:8s} {n:5d} {seed:5d}  {what:12s} {1 - energy:16.2e} {1 - force:9.2e} {seconds:12.1f}"
                        f"   {model.closed_form_}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
