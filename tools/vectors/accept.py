"""The vectors that must be accepted. What they encode, decode and compute to is worked out by hand."""

from __future__ import annotations

import hashlib

from cryptable_protocol.messages import artifact as artifacts
from cryptable_protocol.messages import circuit, client_spec, tensor

from vectors import samples
from vectors.vector import Accepted, canonical, changed, put


def accepted() -> list[Accepted]:
    """All of them."""
    return [*_client_specs(), *_circuits(), *_others()]


def spec_vector(name: str, about: str, data: bytes, **facts: object) -> Accepted:
    """A client spec, with the facts that any has."""
    spec = client_spec.ClientSpec.FromString(data)
    return Accepted(
        "client_spec",
        name,
        about,
        data,
        {
            "digest": hashlib.sha256(data).hexdigest(),
            "keyset_name": hashlib.sha256(canonical(spec.keyset)).hexdigest(),
            "feature_names": [feature.name for feature in spec.features],
            **facts,
        },
    )


def _client_specs() -> list[Accepted]:
    binary, regression = samples.binary_spec(), samples.regression_spec()

    def negative_zero(spec: client_spec.ClientSpec) -> None:
        spec.features[2].thermometer.edges[:] = [-0.0]
        spec.decoder.base[:] = [-0.0]

    def extremes(spec: client_spec.ClientSpec) -> None:
        spec.features[0].affine.lower = -1.7976931348623157e308
        spec.features[1].affine.step = 5e-324
        spec.features[1].affine.levels = 2**24
        spec.input.width = 62
        spec.decoder.offset[:] = [2**62]

    def probability(spec: client_spec.ClientSpec) -> None:
        spec.decoder.link = client_spec.Decoder.PROBABILITY
        spec.decoder.integers.values[:] = [-(2**63), 2**63 - 1]

    def margins(spec: client_spec.ClientSpec) -> None:
        spec.decoder.link = client_spec.Decoder.MARGIN
        spec.decoder.strings.values[1] = ""

    def names(spec: client_spec.ClientSpec) -> None:
        spec.model_name = "Größe 🩺"
        spec.features[0].name = "é" * 256

    def sparse_ids(spec: client_spec.ClientSpec) -> None:
        spec.keyset.secret_keys[1].id = 2**32 - 1
        spec.keyset.bootstrap_keys[0].input_key = 2**32 - 1
        spec.keyset.keyswitch_keys[0].output_key = 2**32 - 1

    def missing_alone(spec: client_spec.ClientSpec) -> None:
        spec.features[0].thermometer.ClearField("edges")
        spec.input.size = 7

    def further_bits(spec: client_spec.ClientSpec) -> None:
        spec.output.width = 3
        put(spec.decoder, further_bits=2, offset=[0])

    return [
        spec_vector(
            "further_bits",
            "approximate readout: three exact bits and two noisy ones; noise may lead below 0",
            changed(binary, further_bits),
            decodes=[{"values": [10], "scores": [3.0]}, {"values": [-1], "scores": [0.25]}],
        ),
        spec_vector(
            "binary",
            "thermometer encoders and a lookup; column id is not sent",
            canonical(binary),
            evaluation_keys_bytes=50_577_440,
            # The float32 nearest to 1.25 - 1e-12 is 1.25.
            encodes=[{"row": [1.25 - 1e-12, 9.0, -1.0], "elements": [1, 1, 0, 1]}],
            decodes=[{"values": [10], "scores": [1.0]}, {"values": [0], "scores": [-1.5]}],
        ),
        spec_vector(
            "regression",
            "affine encoders, and no evaluation keys because there are no lookups",
            canonical(regression),
            evaluation_keys_bytes=0,
            # (0.25 + 1) / 0.5 = 2.5 goes to the even 2, 3.5 to 4.
            encodes=[{"row": [0.25, 3.5], "elements": [2, 4]}, {"row": [-9.0, 1e300], "elements": [0, 15]}],
            decodes=[{"values": [101], "scores": [150.5]}],
        ),
        spec_vector(
            "quadratic",
            "a quadratic encoder, and a regression whose predictions are e to the power of its scores",
            canonical(samples.quadratic_spec()),
            evaluation_keys_bytes=0,
            encodes=[{"row": [0.25], "elements": [2, 9]}, {"row": [1e300], "elements": [45, 0]}],
            decodes=[{"values": [101], "scores": [150.5]}],
        ),
        spec_vector(
            "gaps",
            "missing values (null) and categories",
            canonical(samples.gaps_spec()),
            evaluation_keys_bytes=50_577_440,
            encodes=[
                {"row": [1.3, None, None, "skin", 2], "elements": [1, 1, 0, 0, 0, 1, 0, 0, 1, 0]},
                {"row": [None, "?", -1.0, None, 3.0], "elements": [1, 1, 1, 1, 1, 0, 0, 0, 1, 1]},
                {"row": [-7, 0, 5e99, "", -1], "elements": [0, 0, 0, 0, 1, 1, 1, 0, 0, 0]},
                {"row": [3, 0, -1.1, "nose", -1], "elements": [1, 1, 1, 0, 0, 1, 1, 1, 0, 0]},
            ],
        ),
        spec_vector(
            "missing_levels",
            "missing values (null) of encoders of levels",
            canonical(samples.missing_levels_spec()),
            evaluation_keys_bytes=0,
            encodes=[
                {"row": [1.0, 3.5, 0.25], "elements": [0, 4, 0, 2, 9]},
                {"row": [None, None, None], "elements": [3, 5, 15, 2, 9]},
            ],
        ),
        spec_vector(
            "missing_alone",
            "a thermometer without edges, which tells missing values only",
            changed(samples.gaps_spec(), missing_alone),
            encodes=[{"row": [None, 0, None, "skin", 2], "elements": [1, 0, 1, 0, 0, 1, 0]}],
        ),
        spec_vector(
            "polyline",
            "a polyline encoder",
            canonical(samples.polyline_spec()),
            evaluation_keys_bytes=0,
            # 1.5 is at 3.5, which goes to the even 4; 4 is at 2.5, which goes to 2.
            encodes=[
                {"row": [1.5, 0.0], "elements": [4, 0]},
                {"row": [2.0, 0.0], "elements": [7, 0]},
                {"row": [3.0, 0.0], "elements": [5, 0]},
                {"row": [-1e300, 0.0], "elements": [0, 0]},
                {"row": [1e300, 0.0], "elements": [2, 0]},
            ],
            decodes=[{"values": [101], "scores": [150.5]}],
        ),
        spec_vector(
            "classes",
            "three classes with names",
            canonical(samples.classes_spec()),
            evaluation_keys_bytes=0,
            decodes=[{"values": [8, 3, 4], "scores": [1.0, -0.25, 2.0]}],
        ),
        spec_vector(
            "margin", "no probabilities; one label is the empty string", changed(samples.classes_spec(), margins)
        ),
        spec_vector(
            "booleans",
            "labels that are booleans",
            changed(binary, lambda spec: put(spec.decoder.booleans, values=[False, True])),
        ),
        spec_vector(
            "doubles",
            "labels that are doubles",
            changed(binary, lambda spec: put(spec.decoder.doubles, values=[0.0, 0.5])),
        ),
        spec_vector("probability", "labels at the ends of the 64-bit range", changed(binary, probability)),
        spec_vector(
            "logistic",
            "a regression whose predictions are fractions",
            changed(regression, lambda spec: put(spec.decoder, link=client_spec.Decoder.LOGISTIC)),
            decodes=[{"values": [101], "scores": [150.5]}],
        ),
        spec_vector("lower_p_error", "p_error 2^-64", changed(binary, lambda spec: put(spec, p_error=2.0**-64))),
        spec_vector("names", "names outside ASCII, one of 256 characters and 512 bytes", changed(binary, names)),
        spec_vector("sparse_ids", "key ids need not be consecutive", changed(binary, sparse_ids)),
        spec_vector(
            "negative_zero", "-0.0 is a number, not a default: it is written out", changed(binary, negative_zero)
        ),
        spec_vector("extremes", "the largest double, the smallest subnormal", changed(regression, extremes)),
    ]


def _circuit(name: str, about: str, data: bytes, lookups: int, *evaluates: tuple[list[int], list[int]]) -> Accepted:
    cases = [{"input": list(inputs), "output": list(outputs)} for inputs, outputs in evaluates]
    return Accepted("circuit", name, about, data, {"lookups": lookups, "evaluates": cases})


def _circuits() -> list[Accepted]:
    def range_group(message: circuit.Circuit) -> None:
        del message.nodes[0].input.groups[1:]
        message.nodes[0].input.groups[0].CopyFrom(circuit.InputGroup(kind=circuit.InputGroup.RANGE, size=2, maximum=7))

    def constant(message: circuit.Circuit) -> None:
        message.nodes[1].linear.terms[0].CopyFrom(circuit.Term(source=0))

    def two_tables(message: circuit.Circuit) -> None:
        first, second = message.nodes[1].linear, message.nodes[2].lookup
        first.terms[0].CopyFrom(circuit.Term(source=0, rows=[0, 1, 3], columns=[0, 1, 1], weights=[1, 1, -1]))
        first.offset[:] = [0, 1]
        second.width = 2
        second.entries[:] = [9, 8, 7, 6, 0, 10, 20, 30]
        second.table_of[:] = [0, 1]
        message.nodes[3].linear.terms[1].CopyFrom(circuit.Term(source=2, rows=[0, 1], columns=[0, 0], weights=[1, 1]))

    def mirrored(message: circuit.Circuit) -> None:
        put(message.nodes[1].linear, offset=[17])
        message.nodes[1].linear.terms[0].weights[:] = [1, 2, -4, -8]
        put(message.nodes[2].lookup, dropped_bits=1, mirrors=[20])

    def prefix_bounds(message: circuit.Circuit) -> None:
        # 0 + 7 - 7 + 7 over 1 1 1 0 0 stays within 0 .. 7, though the weights of one sign add up to 14.
        message.nodes[1].linear.terms[0].CopyFrom(
            circuit.Term(source=0, rows=[0, 1, 2], columns=[0, 0, 0], weights=[7, -7, 7])
        )

    return [
        _circuit(
            "linear",
            "an affine map, no lookup",
            canonical(samples.linear_circuit()),
            0,
            ([0, 0], [35]),
            ([7, 15], [450]),
        ),
        _circuit(
            "lookup",
            "a lookup, then a sum of its value and an input bit",
            canonical(samples.binary_circuit()),
            1,
            ([0, 0, 0, 0], [2]),
            ([1, 1, 0, 1], [21]),
            ([1, 0, 0, 0], [3]),
        ),
        _circuit(
            "two_tables",
            "two elements with tables of their own",
            changed(samples.binary_circuit(), two_tables),
            2,
            ([1, 1, 0, 0], [28]),
            ([0, 0, 0, 1], [11]),
        ),
        _circuit(
            "range", "two independent integers", changed(samples.linear_circuit(), range_group), 0, ([7, 7], [210])
        ),
        _circuit(
            "exact_output_bits",
            "outputs up to 29 of which the upper 3 bits are read exactly; what is computed is the same",
            changed(samples.binary_circuit(), lambda message: put(message, exact_output_bits=3)),
            1,
            ([0, 0, 0, 0], [2]),
        ),
        _circuit(
            "empty_term",
            "a constant: a term without entries",
            changed(samples.linear_circuit(), constant),
            0,
            ([7, 15], [35]),
        ),
        _circuit(
            "prefix_bounds",
            "within its table because a thermometer's bits never increase",
            changed(samples.binary_circuit(), prefix_bounds),
            1,
            ([1, 0, 0, 0], [9]),
            ([1, 1, 0, 0], [0]),
        ),
        _circuit(
            "mirrored",
            "a lookup that drops a bit and wraps around; at position 9, beyond its 8 entries, it reads 20 - 1",
            changed(samples.binary_circuit(), mirrored),
            1,
            ([0, 0, 0, 0], [59]),
            ([1, 1, 1, 1], [15]),
            ([1, 0, 0, 1], [6]),
            ([1, 1, 1, 0], [60]),
        ),
        _circuit(
            "output_maximum",
            "outputs up to 27 only, where 29 is what bounds find",
            changed(samples.binary_circuit(), lambda message: put(message, output_maximum=27)),
            1,
            ([1, 1, 1, 0], [27]),
            ([0, 0, 0, 0], [2]),
        ),
    ]


def _others() -> list[Accepted]:
    def without_origin(message: artifacts.ModelArtifact) -> None:
        message.ClearField("model_version")
        message.provenance.Clear()
        message.provenance.SetInParent()

    artifact = samples.model_artifact()
    content = canonical(artifact)
    bare = changed(artifact, without_origin)
    catalogued = changed(artifact, lambda message: put(message.compile_options, keyset_entry="width 4, p_error 2^-40"))
    largest = tensor.EncryptedTensor(seed=bytes(16), bodies=b"\xff" * 8)
    header = samples.keys_header()
    return [
        Accepted(
            "model_artifact",
            "complete",
            "with a version and a provenance",
            canonical(samples.artifact_file(content)),
            {"model_name": "tumour", "model_version": "2024-06-01", "digest": hashlib.sha256(content).hexdigest()},
        ),
        Accepted(
            "model_artifact",
            "signed",
            "the same, signed",
            canonical(samples.signed_file()),
            {
                "model_name": "tumour",
                "model_version": "2024-06-01",
                "digest": hashlib.sha256(content).hexdigest(),
                "signer": samples.signed_file().signature.public_key.hex(),
            },
        ),
        Accepted(
            "model_artifact",
            "bare",
            "no version, and a provenance that says nothing",
            canonical(samples.artifact_file(bare)),
            {"model_name": "tumour", "model_version": "", "digest": hashlib.sha256(bare).hexdigest()},
        ),
        Accepted(
            "model_artifact",
            "catalogued",
            "compiled onto the keyset of a catalogue entry",
            canonical(samples.artifact_file(catalogued)),
            {
                "model_name": "tumour",
                "model_version": "2024-06-01",
                "digest": hashlib.sha256(catalogued).hexdigest(),
                "keyset_entry": "width 4, p_error 2^-40",
            },
        ),
        Accepted(
            "encrypted_tensor",
            "seeded",
            "two ciphertexts, as a client sends them",
            canonical(samples.seeded_tensor()),
            {"form": "seed", "size": 2},
        ),
        Accepted(
            "encrypted_tensor",
            "masked",
            "two ciphertexts of dimension 3, as a server answers",
            canonical(samples.masked_tensor()),
            {"form": "explicit", "size": 2, "dimension": 3},
        ),
        Accepted(
            "encrypted_tensor",
            "trimmed",
            "two ciphertexts of dimension 3 in words of 11 bits, as a server answers; `words` are all of the 64 bits",
            canonical(samples.trimmed_tensor()),
            {
                "form": "trimmed",
                "size": 2,
                "dimension": 3,
                "words": [[1 << 53, 2 << 53, 3 << 53, 2047 << 53], [4 << 53, 5 << 53, 6 << 53, 0]],
            },
        ),
        Accepted(
            "encrypted_tensor",
            "zero_seed",
            "a seed of zeros is a seed like any other",
            canonical(largest),
            {"form": "seed", "size": 1},
        ),
        Accepted(
            "evaluation_keys_header",
            "complete",
            "of a keyset with one bootstrap and one keyswitch key",
            canonical(header),
            {"size": header.size, "keyset_name": header.keyset_name.hex()},
        ),
        Accepted(
            "evaluation_keys_header",
            "largest",
            "as long as a reader accepts",
            changed(header, lambda message: put(message, size=4 * 2**30)),
            {"size": 4 * 2**30, "keyset_name": header.keyset_name.hex()},
        ),
    ]
