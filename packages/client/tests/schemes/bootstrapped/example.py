"""A model of the scheme `bootstrapped` for the contract suite: one linear map, whose answer has its row's key."""

import numpy as np
from cryptable_client.schemes.bootstrapped.security import minimum_log2_deviation
from cryptable_protocol import (
    AffineEncoder,
    BootstrapKeyParameters,
    CiphertextType,
    ClientSpec,
    Decoder,
    EncryptedTensor,
    KeysetParameters,
    KeyswitchKeyParameters,
    Link,
    SecretKeyParameters,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

SIZE, WIDTH = 4, 5
LARGE, SMALL = 512, 450
MATRIX = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])


def _least(dimension):
    return 2.0 ** (2 * minimum_log2_deviation(dimension))


def _keyset(base_log):
    return KeysetParameters(
        (SecretKeyParameters(0, LARGE), SecretKeyParameters(1, SMALL)),
        (BootstrapKeyParameters(0, 1, 0, 1, base_log, 2, LARGE // 2, _least(LARGE)),),
        (KeyswitchKeyParameters(0, 0, 1, 2, 4, _least(SMALL)),),
    )


OTHER_KEYSET = _keyset(9)


def make_spec(keyset=None):
    # At dimension 512 the noise is 2^-10.5 of the torus: the sum of two is misread beyond 8 deviations.
    return ClientSpec(
        model_name="linear",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 1 << WIDTH) for index in range(SIZE)),
        parameters=BootstrappedParameters(
            keyset or _keyset(8),
            CiphertextType(SIZE, 0, WIDTH, _least(LARGE)),
            CiphertextType(SIZE, 0, WIDTH, 0.0),
            2.0**-40,
        ),
        decoder=Decoder(Link.IDENTITY, (0,) * SIZE, 1.0, (0.0,) * SIZE),
    )


def evaluate(tensor):
    """MATRIX times the row, under encryption."""
    return EncryptedTensor.from_ciphertexts(MATRIX.astype(np.uint64) @ tensor.ciphertexts(SIZE, LARGE))
