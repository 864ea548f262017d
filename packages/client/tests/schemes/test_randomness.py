import math
import os

import numpy as np
import pytest
from cryptable_client.schemes import randomness
from cryptable_client.schemes.randomness import SecretStream


def test_words_and_bits_are_uniform():
    stream = SecretStream()
    ones = np.unpackbits(stream.words(1 << 16).view(np.uint8)).sum()
    assert abs(int(ones) - (1 << 21)) < 6 * math.sqrt(1 << 20)
    bits = stream.bits(1 << 20)
    assert set(np.unique(bits)) == {0, 1}
    assert abs(int(bits.sum()) - (1 << 19)) < 6 * math.sqrt(1 << 18)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65])
def test_counts(count):
    stream = SecretStream()
    assert stream.words(count).shape == stream.bits(count).shape == stream.gaussian(count, 1e-20).shape == (count,)


def test_streams_differ_and_do_not_repeat():
    first, second = SecretStream(), SecretStream()
    drawn = [first.words(4), first.words(4), second.words(4)]
    assert len(np.unique(np.concatenate(drawn))) == 12


@pytest.mark.parametrize("log2_deviation", [-62, -50, -23, -12, -9, -5])
def test_gaussian_has_its_variance_and_shape(noise, log2_deviation):
    count, variance = 1 << 18, 2.0 ** (2 * log2_deviation)

    def draw():
        return SecretStream().gaussian(count, variance).view(np.int64)

    noise.assert_noise(draw, variance)
    values = draw() / (2.0 ** (64 + log2_deviation))
    assert abs(values.mean()) < 6 / math.sqrt(count)
    assert abs((values**4).mean() - 3) < 0.15  # a normal distribution's fourth moment
    assert 4 < np.abs(values).max() < 10


def test_other_noise_and_other_masks_are_told_apart(noise):
    """The tests of noise and masks find what is slightly off."""
    count, deviation = 1 << 16, 2.0**20
    variance = deviation**2 / 2.0**128
    rng = np.random.default_rng(1)
    assert noise.suspicion(np.rint(rng.normal(0, deviation, count)), variance) < 1
    for off in (
        rng.normal(0, 1.02 * deviation, count),
        rng.normal(0.03 * deviation, deviation, count),
        rng.uniform(-(3**0.5), 3**0.5, count) * deviation,
        rng.laplace(0, deviation / 2**0.5, count),
    ):
        assert noise.suspicion(np.rint(off), variance) > 1
    words = rng.integers(0, 1 << 64, count, np.uint64, endpoint=False)
    assert abs(noise.distance_from_uniform(words)) < noise.Z_1E_4
    words[: count // 4] >>= np.uint64(1)
    assert abs(noise.distance_from_uniform(words)) > noise.Z_1E_4


@pytest.mark.parametrize("log2_deviation", [-62, -12, -9, -5])
def test_lowest_bits_are_noise_too(log2_deviation):
    """float64 alone would leave the lowest bits of a wide Gaussian 0: equations without noise, which give keys away."""
    drawn = SecretStream().gaussian(1 << 16, 2.0 ** (2 * log2_deviation))
    for bit in range(2):
        ones = int(((drawn >> np.uint64(bit)) & np.uint64(1)).sum())
        assert abs(ones - (1 << 15)) < 6 * math.sqrt(1 << 14), f"bit {bit}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_draws_other_words():
    stream = SecretStream()
    stream.words(1)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, stream.words(4).tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    from_child = np.frombuffer(os.read(read, 32), np.uint64)
    os.close(read)
    os.close(write)
    assert from_child.size == 4
    assert not set(stream.words(4).tolist()) & set(from_child.tolist())


def test_the_key_of_a_stream_changes_with_the_process(monkeypatch):
    stream = SecretStream()
    stream.words(1)
    before = stream._encryptor
    monkeypatch.setattr(randomness, "_generation", -1)  # as after a fork whose child has an ancestor's process id
    stream.words(1)
    assert stream._encryptor is not before
