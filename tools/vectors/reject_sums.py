"""Client specs that must be refused for their decoder's members or curve."""

from __future__ import annotations

import math

from cryptable_protocol.messages import client_spec

from vectors import samples
from vectors.reject_client_spec import Change, fields
from vectors.vector import Rejected, put


def rejected() -> list[Rejected]:
    """All of them."""
    return [*_members(), *_curves()]


def _members() -> list[Rejected]:
    def first(**fields: float | list[float]) -> Change:
        return lambda spec: put(spec.decoder.members[0], **fields)

    return fields(
        samples.members_spec(),
        {
            "members_scores": ("members of three scores in all where there are two", first(scores=2)),
            "members_link": ("a member that makes margins", first(link=client_spec.Decoder.MARGIN)),
            "members_link_unknown": ("a member of an unknown link", first(link=99)),
            "members_identity": (
                "a member that makes scores in a sum of probabilities",
                first(link=client_spec.Decoder.IDENTITY),
            ),
            "members_of_margins": (
                "members that sum up to margins",
                lambda spec: put(spec.decoder, link=client_spec.Decoder.MARGIN),
            ),
            "members_weight": ("a weight that is no number", first(weight=math.nan)),
            "members_slopes": ("two slopes of a member of one score", first(slopes=[1.0, 1.0], intercepts=[0.0, 0.0])),
            "members_intercepts": ("a slope without an intercept", first(slopes=[1.0])),
        },
    )


def _curves() -> list[Rejected]:
    def curve(scores: list[float], predictions: list[float]) -> Change:
        return lambda spec: put(spec.decoder, curve_scores=scores, curve_predictions=predictions)

    return fields(
        samples.curve_spec(),
        {
            "curve_missing": ("a link that needs a curve, and none", curve([], [])),
            "curve_knot_alone": ("one knot", curve([1.0], [1.0])),
            "curve_unsorted": ("scores of a curve that are equal", curve([1.0, 1.0], [1.0, 2.0])),
            "curve_infinite": ("an infinite prediction", curve([1.0, 2.0], [1.0, math.inf])),
            "curve_lengths": ("a score without a prediction", curve([1.0, 2.0], [1.0])),
            "curve_of_another_link": (
                "a curve beside another link",
                lambda spec: put(spec.decoder, link=client_spec.Decoder.IDENTITY),
            ),
        },
    )
