"""An end user's round trip: a specification from bytes, keys, a row encrypted, and the ciphertexts read again."""

import numpy as np
from cryptable_client.keys.encryption import decrypt, encrypt
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.bootstrapped.security import minimum_log2_deviation
from cryptable_protocol import (
    AffineEncoder,
    CiphertextType,
    ClientSpec,
    Decoder,
    KeysetParameters,
    SecretKeyParameters,
    ThermometerEncoder,
    encode_rows,
)
from cryptable_protocol.encoding.links import Link
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

DIMENSION = 1024
VARIANCE = 4.0 ** minimum_log2_deviation(DIMENSION)

spec = ClientSpec(
    model_name="identity",
    features=(ThermometerEncoder("age", (18.0, 40.0, 65.0)), AffineEncoder("dose", 0.0, 0.5, 16)),
    parameters=BootstrappedParameters(
        KeysetParameters((SecretKeyParameters(0, DIMENSION),), (), ()),
        CiphertextType(size=4, key=0, width=4, variance=VARIANCE),
        CiphertextType(size=4, key=0, width=4, variance=0.0),
        2.0**-40,
    ),
    decoder=Decoder(link=Link.IDENTITY, offset=(0, 0, 0, -4), step=0.5, base=(0.0, 0.0, 0.0, 2.0)),
)
assert ClientSpec.from_bytes(spec.to_bytes()) == spec

(values,) = encode_rows(spec.features, [[50.0, 3.1]])
assert values.tolist() == [1, 1, 0, 6]
with SecretKeys.generate(spec) as secret_keys, SecretKeys.generate(spec) as other_keys:
    sent = encrypt(spec, secret_keys, values)
    assert np.array_equal(decrypt(spec, secret_keys, sent), values)
    assert not np.array_equal(decrypt(spec, other_keys, sent), values)
assert spec.decoder.decision_function(values[None]).tolist() == [[0.5, 0.5, 0.0, 3.0]]
