"""Client specs that must be refused for their decoder's members, curve, pairs or contributions."""

from __future__ import annotations

import math

from cryptable_protocol.messages import client_spec

from vectors import samples
from vectors.reject_client_spec import Change, fields
from vectors.vector import Rejected, put


def rejected() -> list[Rejected]:
    """All of them."""
    return [*_members(), *_curves(), *_pairs(), *_contributions()]


def _pairs() -> list[Rejected]:
    def four_scores(spec: client_spec.ClientSpec) -> None:
        spec.output.size = 4
        put(spec.decoder, offset=[0] * 4, base=[0.0] * 4)

    def one_score(spec: client_spec.ClientSpec) -> None:
        spec.output.size = 1
        put(spec.decoder, offset=[0], base=[0.0])
        spec.decoder.strings.values[:] = ["setosa", "virginica"]

    def members(spec: client_spec.ClientSpec) -> None:
        spec.decoder.members.add(link=client_spec.Decoder.MARGIN, scores=3, weight=1.0)

    return fields(
        samples.pairs_spec(),
        {
            "pairs_of_no_number": ("four scores, which no number of labels has pairs", four_scores),
            "pairs_of_two": ("the pair of two labels, of which a score is a margin", one_score),
            "pairs_labels": ("fewer labels than have so many pairs", lambda spec: spec.decoder.strings.values.pop()),
            "pairs_members": ("pairs of members", members),
        },
    )


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


def _contributions() -> list[Rejected]:
    def one_offset_less(spec: client_spec.ClientSpec) -> None:
        spec.output.size = 5
        del spec.decoder.offset[5]

    def bases_of_all(spec: client_spec.ClientSpec) -> None:
        spec.decoder.base[:] = [0.0] * 6

    def of_members(spec: client_spec.ClientSpec) -> None:
        spec.output.size = 4
        put(spec.decoder, offset=[0] * 4, contributions=["radius"], contribution_base=[0, 0])

    return [
        *fields(
            samples.contributions_spec(),
            {
                "contributions_offsets": ("an offset for each of six values but one", one_offset_less),
                "contributions_bases": ("a base for each contribution", bases_of_all),
                "contributions_none": (
                    "six values without contributions",
                    lambda spec: put(spec.decoder, contributions=[], contribution_base=[]),
                ),
                "contribution_base_missing": (
                    "contributions without a base",
                    lambda spec: put(spec.decoder, contribution_base=[]),
                ),
                "contribution_base_large": (
                    "a base of contributions of 2^62 + 1",
                    lambda spec: put(spec.decoder, contribution_base=[2**62 + 1, 0]),
                ),
                "contributions_noisy": (
                    "noisy bits beside contributions",
                    lambda spec: put(spec.decoder, further_bits=1),
                ),
                "contribution_twice": (
                    "two contributions of one name",
                    lambda spec: put(spec.decoder, contributions=["radius", "radius"]),
                ),
                "contribution_empty": (
                    "a contribution without a name",
                    lambda spec: put(spec.decoder, contributions=["radius", ""]),
                ),
            },
        ),
        *fields(
            samples.binary_spec(),
            {
                "contribution_base_alone": (
                    "a base of contributions where there are none",
                    lambda spec: put(spec.decoder, contribution_base=[1]),
                )
            },
        ),
        *fields(
            samples.members_spec(),
            {"contributions_of_members": ("contributions to the scores of two members", of_members)},
        ),
    ]
