"""Client specs that must be accepted for their decoder's members, curve, pairs or contributions."""

from __future__ import annotations

from cryptable_protocol.messages import client_spec

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
        *(
            spec_vector(
                name,
                "three classes, compared pair by pair, each of which has one vote here",
                canonical(samples.pairs_spec(link)),
                decodes=[
                    # Scores of pairs are 1, -0.25 and 2: margins 0.75, 1 and -1.75.
                    {
                        "values": [8, 3, 4],
                        "scores": [1 + 0.75 / (3 * 1.75), 1 + 1 / (3 * 2.0), 1 - 1.75 / (3 * 2.75)],
                        "label": label,
                    },
                    # 0 is a vote for the second label of a pair: margins 0, 0 and 0.
                    {"values": [0, 5, -12], "scores": [0.0, 1.0, 2.0], "label": "virginica"},
                ],
            )
            for name, link, label in (
                ("pairs", client_spec.Decoder.PAIRS, "setosa"),
                ("pairs_by_margin", client_spec.Decoder.PAIRS_BY_MARGIN, "versicolor"),
            )
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
