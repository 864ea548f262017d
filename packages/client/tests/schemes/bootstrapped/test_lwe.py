import numpy as np
from cryptable_client.schemes.bootstrapped import lwe
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 62), st.data())
def test_decoding_undoes_encoding_within_half_a_step(width, data):
    value = data.draw(st.integers(0, (1 << width) - 1))
    half = 1 << (62 - width)
    error = data.draw(st.integers(-half, half - 1))
    phase = lwe.encode(np.array([value]), width) + np.array([error]).astype(np.int64).view(np.uint64)
    assert lwe.decode(phase, width)[0] == value


@given(st.integers(0, 2**64 - 1), st.integers(1, 62))
def test_any_phase_decodes_to_width_and_padding_bit(phase, width):
    value = int(lwe.decode(np.array([phase], np.uint64), width)[0])
    # The formula of CONCRETE.md, in Python's integers.
    scaled = phase >> (62 - width)
    assert value == ((scaled >> 1) + (scaled & 1)) % (1 << (width + 1))


def test_noise_below_zero_is_negative_where_noisy_bits_are_read():
    step = 1 << (63 - 7)  # five exact bits and two noisy ones
    phases = np.array(
        [value % (1 << 64) for value in (step // 3, -step, -16 * step, 130 * step + step // 3)], np.uint64
    )
    assert lwe.decode_scores(phases, 5, 2).tolist() == [0, -1, -16, 130]
    assert lwe.decode_scores(phases, 7, 0).tolist() == [0, 255, 240, 130]


def test_gadget_is_in_key_order():
    np.testing.assert_array_equal(lwe.gadget(3, 4), np.array([1 << 52, 1 << 56, 1 << 60], np.uint64))


def test_whole_torus_gadget():
    assert lwe.gadget(64, 1)[0] == 1


def test_phase_is_body_minus_inner_product():
    ciphertexts = np.array([[5, 7, 100], [1 << 63, 1, 3]], np.uint64)
    key = np.array([1, 1], np.uint8)
    np.testing.assert_array_equal(lwe.phases(ciphertexts, key), np.array([88, (2 - (1 << 63)) % (1 << 64)], np.uint64))
