"""Good messages, from which the vectors are made."""

from __future__ import annotations

import hashlib

from cryptable_protocol.messages import artifact, circuit, client_spec, keys, tensor
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vectors.vector import canonical

P_ERROR = 2.0**-40
GLWE_VARIANCE = 2.0**-99.9
LWE_VARIANCE = 2.0**-34.2


def keyset() -> client_spec.KeysetParameters:
    """One bootstrap key and one keyswitch key, as of a model with 4-bit lookups."""
    return client_spec.KeysetParameters(
        secret_keys=[
            client_spec.SecretKeyParameters(id=0, dimension=2048),
            client_spec.SecretKeyParameters(id=1, dimension=771),
        ],
        bootstrap_keys=[
            client_spec.BootstrapKeyParameters(
                id=0,
                input_key=1,
                output_key=0,
                level_count=2,
                base_log=15,
                glwe_dimension=1,
                polynomial_size=2048,
                variance=GLWE_VARIANCE,
            )
        ],
        keyswitch_keys=[
            client_spec.KeyswitchKeyParameters(
                id=0, input_key=0, output_key=1, level_count=3, base_log=5, variance=LWE_VARIANCE
            )
        ],
    )


def secret_key_only() -> client_spec.KeysetParameters:
    """The keyset of a model without lookups."""
    return client_spec.KeysetParameters(secret_keys=[client_spec.SecretKeyParameters(id=0, dimension=1024)])


def thermometer(name: str, edges: list[float], *, as_float32: bool = False) -> client_spec.FeatureEncoder:
    """A thermometer encoder."""
    return client_spec.FeatureEncoder(
        name=name, thermometer=client_spec.ThermometerEncoder(edges=edges, as_float32=as_float32)
    )


def categorical(
    name: str,
    categories: list[str] | list[int],
    levels: list[int],
    *,
    missing: int | None = None,
    unknown: int | None = None,
) -> client_spec.FeatureEncoder:
    """A categorical encoder; `missing` and `unknown` are levels."""
    encoder = client_spec.CategoricalEncoder(levels=levels, missing=missing, unknown=unknown)
    for category in categories:
        if isinstance(category, str):
            encoder.strings.values.append(category)
        else:
            encoder.integers.values.append(category)
    return client_spec.FeatureEncoder(name=name, categorical=encoder)


def affine(name: str, lower: float, step: float, levels: int) -> client_spec.FeatureEncoder:
    """An affine encoder."""
    return client_spec.FeatureEncoder(
        name=name, affine=client_spec.AffineEncoder(lower=lower, step=step, levels=levels)
    )


def unused(name: str) -> client_spec.FeatureEncoder:
    """A column that is not sent."""
    return client_spec.FeatureEncoder(name=name, unused=client_spec.UnusedFeature())


def binary_spec() -> client_spec.ClientSpec:
    """A binary classifier of two features and one unread column."""
    return client_spec.ClientSpec(
        model_name="tumour",
        features=[
            thermometer("radius", [0.5, 1.25, 3.0], as_float32=True),
            unused("id"),
            thermometer("texture", [-1.0]),
        ],
        keyset=keyset(),
        input=client_spec.CiphertextType(size=4, key=0, width=4, variance=GLWE_VARIANCE),
        output=client_spec.CiphertextType(size=1, key=0, width=10),
        decoder=client_spec.Decoder(
            link=client_spec.Decoder.SIGMOID,
            offset=[-8],
            step=0.25,
            integers=client_spec.IntegerLabels(values=[0, 1]),
            base=[0.5],
        ),
        p_error=P_ERROR,
    )


def regression_spec() -> client_spec.ClientSpec:
    """A regression on numbers, without lookups."""
    return client_spec.ClientSpec(
        model_name="progression",
        features=[affine("age", -1.0, 0.5, 8), affine("bmi", 0.0, 1.0, 16)],
        keyset=secret_key_only(),
        input=client_spec.CiphertextType(size=2, key=0, width=9, variance=2.0**-47.2),
        output=client_spec.CiphertextType(size=1, key=0, width=9),
        decoder=client_spec.Decoder(link=client_spec.Decoder.IDENTITY, offset=[-100], step=0.5, base=[150.0]),
        p_error=P_ERROR,
    )


def contributions_spec() -> client_spec.ClientSpec:
    """A classifier of two scores, of which two contributions each are told."""
    spec = binary_spec()
    spec.output.size = 6
    spec.decoder.CopyFrom(
        client_spec.Decoder(
            link=client_spec.Decoder.SOFTMAX,
            offset=[-8, -6, -6, -3, 0, -10],
            step=0.25,
            integers=client_spec.IntegerLabels(values=[0, 1]),
            base=[0.5, -1.0],
            contributions=["radius", "radius & texture"],
            contribution_base=[1, 0],
        )
    )
    return spec


def quadratic_spec() -> client_spec.ClientSpec:
    """A regression with a logarithmic link, quadratic in one feature."""
    spec = regression_spec()
    del spec.features[1]
    quadratic = client_spec.QuadraticEncoder(lower=-1.0, step=0.5, levels=46)
    spec.features[0].CopyFrom(client_spec.FeatureEncoder(name="age", quadratic=quadratic))
    spec.decoder.link = client_spec.Decoder.EXPONENTIAL
    return spec


def pairs_spec(link: client_spec.Decoder.Link.ValueType = client_spec.Decoder.PAIRS) -> client_spec.ClientSpec:
    """A classifier of three classes that are compared pair by pair."""
    spec = classes_spec()
    spec.decoder.link = link
    return spec


def gaps_spec() -> client_spec.ClientSpec:
    """A binary classifier of columns with missing values and categories."""
    spec = binary_spec()
    spec.features[0].thermometer.missing = client_spec.ThermometerEncoder.OWN_ELEMENT
    spec.features[2].thermometer.missing = client_spec.ThermometerEncoder.LOWEST
    spec.features.append(categorical("site", ["lung", "breast", "", "skin"], [1, 0, 2, 1], missing=0, unknown=3))
    spec.features.append(categorical("grade", [3, -1, 2], [2, 0, 1]))
    spec.input.size = 10
    return spec


def polyline_spec() -> client_spec.ClientSpec:
    """A regression on a curve of one feature."""
    spec = regression_spec()
    polyline = client_spec.PolylineEncoder(knots=[1.0, 2.0, 4.0], levels_at=[0.0, 7.0, 2.5], levels=8)
    spec.features[0].CopyFrom(client_spec.FeatureEncoder(name="age", polyline=polyline))
    return spec


def missing_levels_spec() -> client_spec.ClientSpec:
    """A regression of numbers that may be missing: with an element of its own for that, and without."""
    spec = polyline_spec()
    spec.features[0].polyline.missing[:] = [3]
    spec.features[1].affine.missing[:] = [5, 15]
    quadratic = client_spec.QuadraticEncoder(lower=-1.0, step=0.5, levels=46, missing=[2, 9])
    spec.features.append(client_spec.FeatureEncoder(name="dose", quadratic=quadratic))
    spec.input.size = 5
    return spec


def members_spec() -> client_spec.ClientSpec:
    """A binary classifier that is the mean of two, by weight."""
    spec = binary_spec()
    spec.output.size = 2
    spec.decoder.link = client_spec.Decoder.PROBABILITY
    spec.decoder.offset[:] = [-8, 0]
    spec.decoder.base[:] = [0.5, 0.0]
    spec.decoder.members.add(link=client_spec.Decoder.PROBABILITY, scores=1, weight=0.25)
    spec.decoder.members.add(link=client_spec.Decoder.SIGMOID, scores=1, weight=0.75, slopes=[2.0], intercepts=[-1.0])
    return spec


def curve_spec() -> client_spec.ClientSpec:
    """A regression whose predictions are the heights of a curve."""
    spec = regression_spec()
    spec.decoder.link = client_spec.Decoder.CURVE
    spec.decoder.curve_scores[:] = [0.0, 100.0, 200.0]
    spec.decoder.curve_predictions[:] = [0.0, 10.0, 1000.0]
    return spec


def classes_spec() -> client_spec.ClientSpec:
    """A classifier of three classes with names."""
    spec = regression_spec()
    spec.model_name = "iris"
    spec.output.size = 3
    spec.decoder.CopyFrom(
        client_spec.Decoder(
            link=client_spec.Decoder.SOFTMAX,
            offset=[0, -3, 4],
            step=0.125,
            strings=client_spec.StringLabels(values=["setosa", "versicolor", "virginica"]),
            base=[0.0, -0.25, 1.0],
        )
    )
    return spec


def binary_circuit() -> circuit.Circuit:
    """What `binary_spec` computes: one lookup on the sum of all bits."""
    return circuit.Circuit(
        nodes=[
            circuit.Node(
                input=circuit.Input(
                    groups=[
                        circuit.InputGroup(kind=circuit.InputGroup.THERMOMETER, size=3, maximum=1),
                        circuit.InputGroup(kind=circuit.InputGroup.THERMOMETER, size=1, maximum=1),
                    ]
                )
            ),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[circuit.Term(source=0, rows=[0, 1, 2, 3], columns=[0, 0, 0, 0], weights=[1, 1, 1, 4])],
                    offset=[0],
                )
            ),
            circuit.Node(lookup=circuit.Lookup(source=1, width=3, entries=[0, 1, 4, 9, 5, 2, 7, 3], table_of=[0])),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[
                        circuit.Term(source=0, rows=[0], columns=[0], weights=[-2]),
                        circuit.Term(source=2, rows=[0], columns=[0], weights=[3]),
                    ],
                    offset=[2],
                )
            ),
        ],
        output=3,
    )


def linear_circuit() -> circuit.Circuit:
    """What `regression_spec` computes."""
    return circuit.Circuit(
        nodes=[
            circuit.Node(
                input=circuit.Input(
                    groups=[
                        circuit.InputGroup(kind=circuit.InputGroup.RANGE, size=1, maximum=7),
                        circuit.InputGroup(kind=circuit.InputGroup.RANGE, size=1, maximum=15),
                    ]
                )
            ),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[circuit.Term(source=0, rows=[0, 1], columns=[0, 0], weights=[-5, 30])], offset=[35]
                )
            ),
        ],
        output=1,
    )


def model_artifact() -> artifact.ModelArtifact:
    """`binary_spec` with `binary_circuit`."""
    return artifact.ModelArtifact(
        model_name="tumour",
        model_version="2024-06-01",
        provenance=artifact.Provenance(
            estimator="xgboost.sklearn.XGBClassifier",
            packages=["scikit-learn 1.7.2", "xgboost 3.0.5"],
            created="2024-06-01T12:00:00Z",
        ),
        client_spec=canonical(binary_spec()),
        circuit=canonical(binary_circuit()),
        compile_options=artifact.CompileOptions(p_error=P_ERROR, security_bits=128),
    )


def artifact_file(content: bytes, *, digest: bytes | None = None) -> artifact.ArtifactFile:
    """The file that holds the bytes of a ModelArtifact."""
    return artifact.ArtifactFile(
        magic="cryptable-artifact",
        format_version=1,
        artifact=content,
        sha256=hashlib.sha256(content).digest() if digest is None else digest,
    )


def signature(artifact_bytes: bytes, spec_bytes: bytes) -> artifact.ModelSignature:
    """Of a model, by the private key 00 01 … 1f. Ed25519 signatures are deterministic."""
    private_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    digests = hashlib.sha256(spec_bytes).digest() + hashlib.sha256(artifact_bytes).digest()
    return artifact.ModelSignature(
        public_key=private_key.public_key().public_bytes_raw(),
        signature=private_key.sign(b"cryptable.v1 model signature\0" + digests),
    )


def signed_file() -> artifact.ArtifactFile:
    """`model_artifact` in a file that is signed."""
    message = model_artifact()
    content = canonical(message)
    file = artifact_file(content)
    file.signature.CopyFrom(signature(content, message.client_spec))
    return file


def seeded_tensor() -> tensor.EncryptedTensor:
    """Two ciphertexts from a client."""
    return tensor.EncryptedTensor(seed=bytes(range(16)), bodies=_words(2))


def masked_tensor() -> tensor.EncryptedTensor:
    """Two ciphertexts of dimension 3 from a server."""
    return tensor.EncryptedTensor(explicit=_words(6), bodies=_words(2))


def trimmed_tensor() -> tensor.EncryptedTensor:
    """Two ciphertexts of dimension 3, in words of 11 bits: 1, 2, ... 6 are the masks, 2047 and 0 the bodies."""
    masks = sum(value << 11 * index for index, value in enumerate(range(1, 7)))
    return tensor.EncryptedTensor(
        trimmed=masks.to_bytes(9, "little"), bodies=(2047).to_bytes(3, "little"), word_bits=11
    )


def keys_header() -> keys.EvaluationKeysHeader:
    """Of the evaluation keys that `keyset` asks for."""
    return keys.EvaluationKeysHeader(
        keyset_name=hashlib.sha256(canonical(keyset())).digest(), size=50_577_440, sha256=hashlib.sha256(b"").digest()
    )


def _words(count: int) -> bytes:
    return b"".join((0x0123456789ABCDEF * (index + 1) % 2**64).to_bytes(8, "little") for index in range(count))
