"""Similarity search: the server compares an encrypted picture with ten thousand of its own, and cannot see it.

A vector of 64 numbers times a matrix of plaintext vectors is a linear model with a score for each of them. The client
decrypts all scores and finds the best ten by itself: what it asked about and what it found, nobody else knows. With
hide_weights=True an answer tells nothing of the vectors beside the scores; those tell them to who asks 65 questions.
"""

from __future__ import annotations

import time

import cryptable as ct
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression

from examples.options import wants_fast

QUERIES, BEST = 50, 10


def main(fast: bool) -> None:
    collection, queries = pictures(500 if fast else 10_000)
    # Of the unit vectors, the targets: so the coefficients are the vectors themselves, one a score.
    similarity = LinearRegression(fit_intercept=False).fit(np.eye(64), collection.T)
    model = ct.compile(similarity, queries, name="similarity", hide_weights=True, tolerance=5e-5, show_progress=False)
    sizes = model.explain().bytes
    print(f"{len(collection)} vectors: {sizes.input_row / 1e3:.1f} kB up, {sizes.output_row / 1e6:.2f} MB down a query")
    asked = queries[: 2 if fast else QUERIES]
    began = time.process_time()
    found = best(model.predict(asked, mode="encrypted"))
    print(f"{(time.process_time() - began) / len(asked):.2f} s of CPU a query, of client and server together")
    same = np.mean((found == best(asked @ collection.T)).all(axis=1))
    print(f"the best {BEST} of {same:.0%} of {len(asked)} queries are those of a search in the clear")
    assert same == 1


def best(scores: np.ndarray) -> np.ndarray:
    """The greatest scores of each row, the greatest first."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :BEST]


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits as vectors of length 1: a collection, some of it moved, all noisy; and others to ask about."""
    random = np.random.default_rng(0)
    images = load_digits().images
    images = images[random.permutation(len(images))]
    kept = images[QUERIES:]
    moved = [np.roll(kept, shift, axis=(1, 2)) for shift in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1))]
    everything = np.concatenate(moved)
    everything = everything + random.normal(0.0, 0.5, everything.shape)
    chosen = everything[random.permutation(len(everything))[:count]]
    return unit(chosen), unit(images[:QUERIES])


def unit(images: np.ndarray) -> np.ndarray:
    """Flat, and of length 1."""
    flat = images.reshape(len(images), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


if __name__ == "__main__":
    main(wants_fast(__doc__))
