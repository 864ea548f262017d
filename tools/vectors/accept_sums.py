"""Client specs that must be accepted for their decoder's members, curve or contributions."""

from __future__ import annotations

from vectors import samples
from vectors.accept import spec_vector
from vectors.vector import Accepted, canonical


def accepted() -> list[Accepted]:
    """All of them."""
    return [
        spec_vector(
            "members",
            "the mean of a probability and of a calibrated one, which is 1/2 where the score is 0",
            canonical(samples.members_spec()),
            evaluation_keys_bytes=50_577_440,
            decodes=[{"values": [10, 0], "scores": [0.625]}, {"values": [8, 0], "scores": [0.5]}],
        ),
        spec_vector(
            "curve",
            "a regression whose predictions are the heights of a curve; scores are before it",
            canonical(samples.curve_spec()),
            evaluation_keys_bytes=0,
            decodes=[{"values": [101], "scores": [150.5]}],
        ),
        spec_vector(
            "contributions",
            "two contributions to each of two scores",
            canonical(samples.contributions_spec()),
            decodes=[
                {
                    "values": [10, 0, 9, 1, 2, 2],
                    "scores": [1.0, -2.5],
                    "contributions": [[0.75, -0.5], [0.5, -2.0]],
                    "base_values": [0.75, -1.0],
                }
            ],
        ),
    ]
