"""Client specs that must be refused."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from cryptable_protocol.messages import client_spec

from vectors import samples
from vectors.vector import Rejected, block, canonical, changed, integer, put, varint

Change = Callable[[client_spec.ClientSpec], object]


def rejected() -> list[Rejected]:
    """All of them."""
    return [*_bytes(), *_parts(), *_encoders(), *_keysets(), *_decoders()]


def _bytes() -> list[Rejected]:
    good = samples.binary_spec()
    data = canonical(good)
    name = block(1, b"tumour")
    rest = data[len(name) :]
    unused = block(1, b"id") + block(4, b"")

    def with_feature(feature: bytes) -> bytes:
        return name + block(2, feature) + rest

    cases = {
        "empty": ("no bytes: every field is missing", b""),
        "unknown_field": ("a field that no version has", data + integer(15, 1)),
        "unknown_nested_field": ("... inside a feature", with_feature(unused + integer(5, 1))),
        "unknown_deep_field": (
            "... inside a feature's encoder",
            with_feature(block(1, b"u") + block(4, integer(1, 1))),
        ),
        "group": ("a field in the long abandoned group encoding", data + b"\x43\x44"),
        "nested_groups": ("many groups, one inside the other", data + b"\x43" * 300 + b"\x44" * 300),
        "field_zero": ("a field of number 0", b"\x02\x00" + data),
        "wrong_wire_type": ("the name as an integer", integer(1, 6) + rest),
        "long_tag": ("a tag of two bytes where one is enough", varint(1 << 3 | 2, length=2) + data[1:]),
        "long_length": ("a length of two bytes where one is enough", block(1, b"tumour", length=2) + rest),
        "eleven_byte_integer": ("an integer longer than any 64-bit one", data[:1] + b"\x80" * 10 + b"\x00" + data[2:]),
        "out_of_order": ("the name after the features", rest + name),
        "scalar_twice": ("the name twice", name + data),
        "submessage_twice": ("the input type in two pieces", data + block(4, integer(1, 4))),
        "default_written": ("an empty name, written out", block(1, b"") + rest),
        "default_number_written": ("p_error 0, written out", data[:-9] + b"\x39" + bytes(8)),
        "false_written": (
            "as_float32 false, written out",
            with_feature(block(1, b"u") + block(2, block(1, struct.pack("<d", 1.0)) + integer(2, 0))),
        ),
        "true_as_two": (
            "as_float32 as the integer 2",
            with_feature(block(1, b"u") + block(2, block(1, struct.pack("<d", 1.0)) + integer(2, 2))),
        ),
        "two_encoders": (
            "a feature both unused and affine",
            with_feature(block(1, b"u") + block(3, b"") + block(4, b"")),
        ),
        "not_packed": (
            "edges one by one instead of packed",
            with_feature(block(1, b"u") + block(2, b"\x09" + struct.pack("<d", 1.0))),
        ),
        "packed_in_two": (
            "edges in two packed lists",
            with_feature(
                block(1, b"u") + block(2, block(1, struct.pack("<d", 1.0)) + block(1, struct.pack("<d", 2.0)))
            ),
        ),
        "packed_empty": ("an empty packed list, written out", with_feature(block(1, b"u") + block(2, block(1, b"")))),
        "packed_cut": ("edges of 12 bytes", with_feature(block(1, b"u") + block(2, block(1, bytes(12))))),
        "wide_integer": (
            "a 32-bit field whose integer has 33 bits",
            with_feature(block(1, b"u") + block(3, b"\x11" + struct.pack("<d", 1.0) + integer(3, 2**32 + 2))),
        ),
        "not_utf8": ("a name that is not UTF-8", block(1, b"\xff\xfe") + rest),
        "overlong_utf8": ("a name with a character in two bytes that fits one", block(1, b"\xc0\xaf") + rest),
        "surrogate": ("a name with half a surrogate pair", block(1, b"\xed\xa0\x80") + rest),
        "cut_short": ("the last byte is missing", data[:-1]),
        "length_beyond_end": ("a feature longer than what follows", name + b"\x12\xff\xff\xff\xff\x0f" + rest),
        "trailing_zero": ("a zero byte at the end", data + b"\x00"),
    }
    # An empty message is canonical, but says nothing.
    return [
        Rejected("client_spec", case, why, content, "bytes" if content else "fields")
        for case, (why, content) in cases.items()
    ]


def fields(base: client_spec.ClientSpec, cases: dict[str, tuple[str, Change]]) -> list[Rejected]:
    """Changed copies of one, each with the reason why it must be refused."""
    return [
        Rejected("client_spec", case, why, changed(base, change), "fields") for case, (why, change) in cases.items()
    ]


def _parts() -> list[Rejected]:
    return fields(
        samples.binary_spec(),
        {
            "no_name": ("no model name", lambda spec: spec.ClearField("model_name")),
            "long_name": ("a model name of 257 characters", lambda spec: put(spec, model_name="m" * 257)),
            "control_character": ("an escape sequence in a name", lambda spec: put(spec, model_name="a\x1b[2J")),
            "no_features": ("no features", lambda spec: spec.ClearField("features")),
            "no_keyset": ("no keyset", lambda spec: spec.ClearField("keyset")),
            "no_input": ("no input type", lambda spec: spec.ClearField("input")),
            "no_output": ("no output type", lambda spec: spec.ClearField("output")),
            "no_decoder": ("no decoder", lambda spec: spec.ClearField("decoder")),
            "no_p_error": ("no p_error", lambda spec: spec.ClearField("p_error")),
            "high_p_error": ("p_error 2^-39", lambda spec: put(spec, p_error=2.0**-39)),
            "negative_p_error": ("p_error below 0", lambda spec: put(spec, p_error=-samples.P_ERROR)),
            "p_error_nan": ("p_error is not a number", lambda spec: put(spec, p_error=math.nan)),
            "name_twice": ("two features of one name", lambda spec: put(spec.features[1], name="radius")),
            "input_size": ("encoders make 4 elements, the input has 5", lambda spec: put(spec.input, size=5)),
            "input_empty": ("an input of no ciphertexts", lambda spec: put(spec.input, size=0)),
            "input_huge": ("an input of 2^32 - 1 ciphertexts", lambda spec: put(spec.input, size=2**32 - 1)),
            "input_key": ("an input under a key that is not there", lambda spec: put(spec.input, key=7)),
            "width_zero": ("an input of 0 bits", lambda spec: put(spec.input, width=0)),
            "width_large": ("an output of 63 bits", lambda spec: put(spec.output, width=63)),
            "input_variance": ("an input variance of 1", lambda spec: put(spec.input, variance=1.0)),
            "input_variance_nan": (
                "a variance that is no number",
                lambda spec: put(spec.input, variance=math.nan),
            ),
            "output_variance": (
                "an output with a variance",
                lambda spec: put(spec.output, variance=1e-30),
            ),
            "output_size": ("2 outputs for a decoder of 1", lambda spec: put(spec.output, size=2)),
            "width_of_noise": ("an output of more bits than noise leaves", lambda spec: put(spec.output, width=60)),
        },
    )


def _no_category(spec: client_spec.ClientSpec) -> None:
    put(spec.features[4].categorical.integers, values=[])
    put(spec.features[4].categorical, levels=[])


def _encoders() -> list[Rejected]:
    def edges(*values: float) -> Change:
        return lambda spec: put(spec.features[0].thermometer, edges=[*values])

    thermometers = fields(
        samples.binary_spec(),
        {
            "feature_without_encoder": ("a feature of no kind", lambda spec: spec.features[1].ClearField("unused")),
            "feature_without_name": ("a feature with an empty name", lambda spec: spec.features[1].ClearField("name")),
            "edges_none": ("a thermometer without edges", edges()),
            "edges_unsorted": ("edges that decrease", edges(0.5, 3.0, 1.25)),
            "edges_equal": ("an edge twice", edges(0.5, 0.5, 1.25)),
            "edges_two_zeros": ("edges -0.0 and 0.0, which are equal", edges(-0.0, 0.0, 1.0)),
            "edges_nan": ("an edge that is no number", edges(0.5, math.nan, 1.25)),
            "edges_infinite": ("an infinite edge", edges(0.5, 1.25, math.inf)),
        },
    )

    def first(**fields: float) -> Change:
        return lambda spec: put(spec.features[0].affine, **fields)

    affines = fields(
        samples.regression_spec(),
        {
            "step_zero": ("a step of 0", lambda spec: spec.features[0].affine.ClearField("step")),
            "step_negative": ("a step below 0", first(step=-0.5)),
            "step_infinite": ("an infinite step", first(step=math.inf)),
            "lower_nan": ("a lower end that is no number", first(lower=math.nan)),
            "levels_one": ("one level", first(levels=1)),
            "levels_many": ("2^24 + 1 levels", first(levels=2**24 + 1)),
            "levels_beyond_width": ("levels that do not fit the input's 9 bits", first(levels=513)),
        },
    )
    quadratics = fields(
        samples.quadratic_spec(),
        {
            "quadratic_step_zero": (
                "a quadratic step of 0",
                lambda spec: spec.features[0].quadratic.ClearField("step"),
            ),
            "quadratic_levels_one": ("one quadratic level", lambda spec: put(spec.features[0].quadratic, levels=1)),
            "quadratic_levels_many": (
                "2^24 + 1 quadratic levels",
                lambda spec: put(spec.features[0].quadratic, levels=2**24 + 1),
            ),
            "quadratic_beyond_width": (
                "quadratic levels that do not fit the input's 9 bits",
                lambda spec: put(spec.features[0].quadratic, levels=513),
            ),
        },
    )

    def grade(**fields: object) -> Change:
        return lambda spec: put(spec.features[4].categorical, **fields)

    gaps = fields(
        samples.gaps_spec(),
        {
            "missing_of_no_kind": (
                "an unknown way of encoding missing values",
                lambda spec: put(spec.features[0].thermometer, missing=4),
            ),
            "missing_without_edges": (
                "no edges, and no element for missing values",
                lambda spec: put(spec.features[2].thermometer, edges=[]),
            ),
            "categories_none": (
                "no categories",
                lambda spec: spec.features[4].categorical.ClearField("integers"),
            ),
            "categories_empty": (
                "an empty list of categories",
                _no_category,
            ),
            "category_twice": (
                "a category twice",
                lambda spec: put(spec.features[4].categorical.integers, values=[3, 2, 2]),
            ),
            "category_control_character": (
                "a category with an escape sequence",
                lambda spec: put(spec.features[3].categorical.strings, values=["a", "b", "c", "\x1b[2J"]),
            ),
            "levels_missing": ("3 categories with 2 levels", grade(levels=[2, 0])),
            "levels_all_zero": ("categories that are not told apart", grade(levels=[0, 0, 0])),
            "levels_high": ("a level of 2^32 - 1", grade(unknown=2**32 - 1)),
        },
    )
    return thermometers + affines + quadratics + gaps + _polylines() + _missing_levels()


def _polylines() -> list[Rejected]:
    def polyline(**fields: list[float] | int) -> Change:
        def change(spec: client_spec.ClientSpec) -> None:
            kept = {"knots": [1.0, 2.0, 4.0], "levels_at": [0.0, 7.0, 2.5], "levels": 8}
            spec.features[0].polyline.CopyFrom(client_spec.PolylineEncoder(**(kept | fields)))  # type: ignore[arg-type]

        return change

    return fields(
        samples.polyline_spec(),
        {
            "polyline_knots_equal": ("two knots that are equal", polyline(knots=[1.0, 2.0, 2.0])),
            "polyline_knots_infinite": ("an infinite knot", polyline(knots=[1.0, 2.0, math.inf])),
            "polyline_knots_far": ("knots whose distance is no double", polyline(knots=[-1.7e308, 0.0, 1.7e308])),
            "polyline_knot_alone": ("one knot", polyline(knots=[1.0], levels_at=[0.0])),
            "polyline_knots_many": ("more knots than levels at them", polyline(levels_at=[0.0, 7.0])),
            "polyline_level_high": ("a level beyond the last", polyline(levels_at=[0.0, 7.5, 2.5])),
            "polyline_level_negative": ("a level below 0", polyline(levels_at=[0.0, 7.0, -0.5])),
            "polyline_level_nan": ("a level that is no number", polyline(levels_at=[0.0, math.nan, 2.5])),
            "polyline_levels_one": ("one level in all", polyline(levels_at=[0.0, 0.0, 0.0], levels=1)),
        },
    )


def _missing_levels() -> list[Rejected]:
    def missing(*elements: int) -> Change:
        return lambda spec: put(spec.features[1].affine, missing=[*elements])

    def of_quadratic(*elements: int) -> Change:
        return lambda spec: put(spec.features[2].quadratic, missing=[*elements])

    return fields(
        samples.missing_levels_spec(),
        {
            "missing_elements_many": ("three elements of a missing value where a number has one", missing(5, 15, 0)),
            "missing_elements_few": ("one element of a missing value where a number has two", of_quadratic(2)),
            "missing_element_high": ("an element of a missing value beyond the last level", missing(5, 16)),
            "missing_polyline_high": (
                "a missing value's element beyond the last level of a curve",
                lambda spec: put(spec.features[0].polyline, missing=[8]),
            ),
        },
    )


def _keysets() -> list[Rejected]:
    def bootstrap(**fields: float) -> Change:
        return lambda spec: put(spec.keyset.bootstrap_keys[0], **fields)

    def keyswitch(**fields: float) -> Change:
        return lambda spec: put(spec.keyset.keyswitch_keys[0], **fields)

    def secret(**fields: int) -> Change:
        return lambda spec: put(spec.keyset.secret_keys[1], **fields)

    def too_large(spec: client_spec.ClientSpec) -> None:
        spec.keyset.secret_keys[1].dimension = 2**17
        spec.keyset.bootstrap_keys[0].level_count = 4

    return fields(
        samples.binary_spec(),
        {
            "keyset_empty": ("no secret key", lambda spec: spec.keyset.Clear()),
            "keyset_17_keys": (
                "17 secret keys",
                lambda spec: spec.keyset.secret_keys.extend(
                    client_spec.SecretKeyParameters(id=index, dimension=600) for index in range(2, 17)
                ),
            ),
            "keyset_ids_unsorted": ("key ids that do not increase", secret(id=0)),
            "keyset_too_large": ("evaluation keys of more than 4 GiB", too_large),
            "dimension_zero": ("a secret key of no bits", secret(dimension=0)),
            "dimension_large": ("a secret key of 2^17 + 1 bits", secret(dimension=2**17 + 1)),
            "bootstrap_input_key": ("a bootstrap key of a secret key that is not there", bootstrap(input_key=9)),
            "bootstrap_output_key": ("... under one that is not there", bootstrap(output_key=9)),
            "bootstrap_flat_dimension": ("k · N is not the key's dimension", bootstrap(glwe_dimension=2)),
            "polynomial_size": ("a polynomial size that is no power of two", bootstrap(polynomial_size=2047)),
            "polynomial_size_zero": ("a polynomial size of 0", bootstrap(polynomial_size=0)),
            "polynomial_size_small": ("k · N fits, N is below 256", bootstrap(polynomial_size=128, glwe_dimension=16)),
            "glwe_dimension_huge": ("k = 2^32 - 1", bootstrap(glwe_dimension=2**32 - 1)),
            "bootstrap_levels": ("5 levels of 15 bits exceed 64", bootstrap(level_count=5)),
            "bootstrap_level_zero": ("no level", bootstrap(level_count=0)),
            "bootstrap_variance": ("a variance below 0", bootstrap(variance=-1e-30)),
            "keyswitch_output_key": ("a keyswitch key under a secret key that is not there", keyswitch(output_key=2)),
            "keyswitch_base": ("a decomposition base of 0 bits", keyswitch(base_log=0)),
            "keyswitch_levels": ("2^32 - 1 levels", keyswitch(level_count=2**32 - 1)),
            "keyswitch_variance": ("an infinite variance", keyswitch(variance=math.inf)),
        },
    )


def _decoders() -> list[Rejected]:
    def integers(*values: int) -> Change:
        return lambda spec: put(spec.decoder.integers, values=[*values])

    def no_offsets(spec: client_spec.ClientSpec) -> None:
        spec.decoder.ClearField("offset")
        spec.decoder.ClearField("base")

    def too_wide(spec: client_spec.ClientSpec) -> None:
        spec.output.width = 59
        put(spec.decoder, further_bits=2)

    return fields(
        samples.binary_spec(),
        {
            "link_missing": ("no link", lambda spec: spec.decoder.ClearField("link")),
            "link_unknown": ("link 9", lambda spec: put(spec.decoder, link=9)),
            "link_negative": ("link -1", lambda spec: put(spec.decoder, link=-1)),
            "offset_missing": ("no offsets and no bases", no_offsets),
            "base_missing": ("an offset without a base", lambda spec: spec.decoder.ClearField("base")),
            "offset_large": ("an offset of 2^62 + 1", lambda spec: put(spec.decoder, offset=[2**62 + 1])),
            "further_bits_many": ("three noisy bits", lambda spec: put(spec.decoder, further_bits=3)),
            "further_bits_wide": ("two noisy bits below 59 exact ones", too_wide),
            "decoder_step_zero": ("a step of 0", lambda spec: spec.decoder.ClearField("step")),
            "decoder_step_nan": ("a step that is no number", lambda spec: put(spec.decoder, step=math.nan)),
            "scores_infinite": ("a step that makes infinite scores", lambda spec: put(spec.decoder, step=1e300)),
            "base_infinite": ("an infinite base", lambda spec: put(spec.decoder, base=[-math.inf])),
            "base_nan": ("a base that is no number", lambda spec: put(spec.decoder, base=[math.nan])),
            "labels_missing": ("a classifier without labels", lambda spec: spec.decoder.ClearField("integers")),
            "labels_of_regression": (
                "a regression with labels",
                lambda spec: put(spec.decoder, link=client_spec.Decoder.IDENTITY),
            ),
            "labels_one": ("one label", integers(1)),
            "labels_three": ("three labels for one score", integers(0, 1, 2)),
            "labels_twice": ("a label twice", integers(1, 1)),
            "labels_of_doubles_twice": (
                "both zeros of doubles as labels",
                lambda spec: put(spec.decoder.doubles, values=[0.0, -0.0]),
            ),
            "labels_of_booleans_three": (
                "three labels, of which a boolean has two",
                lambda spec: put(spec.decoder.booleans, values=[False, True, True]),
            ),
            "label_infinite": (
                "a label that is infinite",
                lambda spec: put(spec.decoder.doubles, values=[0.0, math.inf]),
            ),
            "label_control_character": (
                "a label with a zero character",
                lambda spec: spec.decoder.strings.values.extend(["a", "a\0"]),
            ),
        },
    )
