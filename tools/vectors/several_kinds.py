"""Vectors of what sums of models of several kinds need: bits of several encoders, votes, curves and medians."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

from cryptable_protocol.messages import client_spec

from vectors import levelled, samples
from vectors.accept import spec_vector
from vectors.vector import Accepted, Rejected, canonical, changed, put

Change = Callable[[client_spec.ClientSpec], object]


def bits_spec() -> client_spec.ClientSpec:
    """A column as thresholds and as binary digits, which may miss values, and one of categories."""
    message = levelled.spec()
    del message.features[:]
    affine = client_spec.AffineEncoder(lower=-1.0, step=0.5, levels=6, missing=[0, 5])
    thermometer = samples.thermometer("", [0.5, 1.25]).thermometer
    thermometer.missing = client_spec.ThermometerEncoder.HIGHEST
    parts = [client_spec.FeatureEncoder(thermometer=thermometer), client_spec.FeatureEncoder(affine=affine)]
    message.features.add(name="radius", bits=client_spec.BitsEncoder(parts=parts))
    site = [samples.categorical("", ["lung", "skin"], [1, 0]), samples.categorical("", ["lung", "skin"], [0, 2])]
    message.features.add(name="site", bits=client_spec.BitsEncoder(parts=site))
    message.levelled.CopyFrom(
        client_spec.LevelledParameters(
            keyset=1,
            inputs=11,
            selectors=[1, 3],
            leaves=[0],
            gadget_levels=4,
            gadget_base_log=5,
            moduli=[7, 8, 9],
            outputs=2,
            maximum=204,
            answer_word_bits=14,
        )
    )
    return message


def votes_spec() -> client_spec.ClientSpec:
    """A binary classifier that three members vote for."""
    spec = samples.members_spec()
    spec.output.size = 3
    put(spec.decoder, link=client_spec.Decoder.MARGIN, offset=[-8, 0, 0], base=[0.5, 0.0, 0.0])
    del spec.decoder.members[:]
    for weight in (0.1, 0.2, 0.3):
        spec.decoder.members.add(link=client_spec.Decoder.MARGIN, scores=1, weight=weight)
    return spec


def curves_spec() -> client_spec.ClientSpec:
    """Members whose scores, or probabilities, are looked up on curves."""
    spec = samples.members_spec()
    steep = client_spec.Curve(scores=[-1.0, 0.0, 1.0], predictions=[0.0, 0.25, 1.0])
    put(spec.decoder.members[0], link=client_spec.Decoder.IDENTITY, curves=[steep])
    flat = client_spec.Curve(scores=[0.0, 1.0], predictions=[0.5, 0.75])
    put(spec.decoder.members[1], slopes=[], intercepts=[], curves=[flat], scale=2.0)
    return spec


def median_spec() -> client_spec.ClientSpec:
    """A regression that is the weighted median of three members."""
    spec = samples.regression_spec()
    spec.output.size = 3
    put(spec.decoder, offset=[0, 0, 0], step=0.5, base=[0.0, 0.0, 0.0], median=True)
    for weight, scale in ((0.5, 0.0), (0.25, 2.0), (0.25, 0.0)):
        spec.decoder.members.add(link=client_spec.Decoder.IDENTITY, scores=1, weight=weight, scale=scale)
    return spec


def several_spec() -> client_spec.ClientSpec:
    """A regression of two targets."""
    spec = samples.regression_spec()
    spec.output.size = 2
    put(spec.decoder, offset=[0, -1], base=[0.0, 1.0])
    return spec


def _column(spec: client_spec.ClientSpec) -> None:
    put(spec.decoder, column=True)


def accepted() -> list[Accepted]:
    """Client specs to accept."""
    data = canonical(bits_spec())
    return [
        Accepted(
            "client_spec",
            "bits",
            "thresholds and binary digits of one column, which may miss values, and two encoders of categories",
            data,
            {
                "digest": hashlib.sha256(data).hexdigest(),
                "keyset_name": hashlib.sha256(b"cryptable levelled keyset 1").hexdigest(),
                "feature_names": ["radius", "site"],
                "evaluation_keys_bytes": 878_608,
                "encodes": [
                    # (1.25 + 1) / 0.5 = 4.5 goes to the even 4, which is 100; nothing is missing, so that 0 follows.
                    {"row": [1.25, "lung"], "elements": [1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0]},
                    {"row": [None, "skin"], "elements": [1, 1, 0, 0, 0, 1, 0, 1, 0, 1, 1]},
                ],
            },
        ),
        spec_vector(
            "votes",
            "votes by weight: 0.1 + 0.2 are more than 0.3 in doubles",
            canonical(votes_spec()),
            decodes=[
                {"values": [10, 1, 0], "scores": [0.1 + 0.2 - 0.3]},
                {"values": [10, 0, 1], "scores": [0.1 + 0.3 - 0.2]},
                {"values": [0, 0, 0], "scores": [-(0.1 + 0.2 + 0.3)]},
            ],
        ),
        spec_vector(
            "members_curves",
            "members on curves: one of its scores, one of its probabilities",
            canonical(curves_spec()),
            decodes=[{"values": [10, 0], "scores": [0.25 * 1.0 + 0.75 * 0.625]}],
        ),
        spec_vector(
            "median",
            "the least prediction that has half of the weight, lower ones included",
            canonical(median_spec()),
            evaluation_keys_bytes=0,
            decodes=[{"values": [4, 1, 9], "scores": [2.0]}, {"values": [9, 1, 4], "scores": [2.0]}],
        ),
        spec_vector(
            "column",
            "predictions of n rows are of shape (n, 1)",
            changed(samples.regression_spec(), _column),
            evaluation_keys_bytes=0,
            decodes=[{"values": [101], "scores": [150.5]}],
        ),
    ]


def rejected() -> list[Rejected]:
    """Client specs to refuse."""

    def parts(change: Callable[[client_spec.BitsEncoder], object]) -> Change:
        return lambda spec: change(spec.features[0].bits)

    def member(**fields: object) -> Change:
        return lambda spec: put(spec.decoder.members[0], **fields)

    def curve(scores: list[float], predictions: list[float]) -> Change:
        return member(curves=[client_spec.Curve(scores=scores, predictions=predictions)])

    def weightless(spec: client_spec.ClientSpec) -> None:
        for each in spec.decoder.members:
            put(each, weight=0.0)

    unused = client_spec.FeatureEncoder(unused=client_spec.UnusedFeature())
    named = client_spec.FeatureEncoder(name="radius", affine=bits_spec().features[0].bits.parts[1].affine)
    nested = client_spec.FeatureEncoder(bits=client_spec.BitsEncoder(parts=[unused]))
    of_text = bits_spec().features[1].bits.parts[0]
    votes = client_spec.Decoder.MARGIN
    cases: list[tuple[client_spec.ClientSpec, dict[str, tuple[str, Change]]]] = [
        (
            bits_spec(),
            {
                "bits_none": ("no part", parts(lambda bits: put(bits, parts=[]))),
                "bits_many": ("six parts", parts(lambda bits: bits.parts.extend(2 * list(bits.parts)))),
                "bits_unused": ("a part that sends nothing", parts(lambda bits: bits.parts.append(unused))),
                "bits_nested": ("a part of parts", parts(lambda bits: bits.parts.append(nested))),
                "bits_named": ("a part with a name", parts(lambda bits: put(bits, parts=[named]))),
                "bits_no_kind": (
                    "a part without an encoder",
                    parts(lambda bits: bits.parts.append(client_spec.FeatureEncoder())),
                ),
                "bits_categories": ("categories beside numbers", parts(lambda bits: bits.parts.append(of_text))),
                "bits_more": (
                    "a digit more than the parameters have inputs",
                    parts(lambda bits: put(bits.parts[1].affine, levels=9, missing=[0, 8])),
                ),
            },
        ),
        (
            votes_spec(),
            {
                "votes_of_probabilities": ("a probability among votes", member(link=client_spec.Decoder.SIGMOID)),
                "votes_curves": (
                    "votes on a curve",
                    curve([0.0, 1.0], [0.0, 1.0]),
                ),
                "votes_median": ("a median of votes", lambda spec: put(spec.decoder, median=True)),
            },
        ),
        (
            curves_spec(),
            {
                "member_curve_knot_alone": ("a curve of one knot", curve([1.0], [1.0])),
                "member_curve_unsorted": ("scores of a curve that decrease", curve([1.0, 0.0], [0.0, 1.0])),
                "member_curve_infinite": ("an infinite height", curve([0.0, 1.0], [0.0, math.inf])),
                "member_curve_lengths": ("a height too few", curve([0.0, 1.0], [0.0])),
                "member_curves_two": (
                    "two curves of one score",
                    lambda spec: spec.decoder.members[0].curves.extend(list(spec.decoder.members[0].curves)),
                ),
                "member_curve_and_slope": (
                    "a slope beside a curve",
                    lambda spec: put(spec.decoder.members[1], slopes=[1.0], intercepts=[0.0]),
                ),
                "member_scale_one": ("a scale of 1, written out", member(scale=1.0)),
                "member_scale_negative": ("a negative scale", member(scale=-1.0)),
                "member_of_votes": ("a vote among probabilities", member(link=votes, curves=[])),
            },
        ),
        (
            median_spec(),
            {
                "median_curve": ("a median of heights of curves", curve([0.0, 1.0], [0.0, 1.0])),
                "median_negative": ("a negative weight", member(weight=-0.5)),
                "median_weightless": (
                    "weights that are all 0",
                    weightless,
                ),
                "median_alone": ("a median without members", lambda spec: spec.decoder.ClearField("members")),
            },
        ),
        (
            several_spec(),
            {"column_of_several": ("a column of two numbers a row", _column)},
        ),
    ]
    return [
        Rejected("client_spec", name, why, changed(spec, change), "fields")
        for spec, group in cases
        for name, (why, change) in group.items()
    ]
