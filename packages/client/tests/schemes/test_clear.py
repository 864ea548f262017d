"""The scheme `clear` of tests is none for a client: it reads its specifications as weak ones, and makes no key."""

import pytest
from clear_parameters import CLEAR, ClearParameters, clear_is_known
from cryptable_client import SecretKeys, WeakParametersError, check_security
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, Link


@pytest.mark.parametrize("keys", [0, 16])
def test_a_client_refuses_a_specification_in_the_clear(keys):
    parameters = ClearParameters.of(inputs=2, input_bits=3, outputs=1, output_bits=4, p_error=2.0**-40, keys=keys)
    features = (AffineEncoder("a", 0.0, 1.0, 7), AffineEncoder("b", 0.0, 1.0, 7))
    data = ClientSpec("m", features, parameters, Decoder(Link.IDENTITY, (0,), 1.0, (0.0,))).to_bytes()
    read = ClientSpec.from_bytes(data)
    assert read.scheme == "bootstrapped"
    with pytest.raises(WeakParametersError):
        check_security(read)
    with pytest.raises(WeakParametersError):
        SecretKeys.generate(read)
    with clear_is_known():
        assert ClientSpec.from_bytes(data).scheme == CLEAR
    assert ClientSpec.from_bytes(data).scheme == "bootstrapped"
