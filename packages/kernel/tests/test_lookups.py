"""Lookups and keyswitches against exact arithmetic, by every path."""

import numpy as np
import pytest
from cryptable_kernel import Bootstrap, BootstrapShape, Keyswitch, KeyswitchShape, Ring, aligned
from lookup_oracle import bootstrap_key, deviation, keyswitched, looked_up, phase, words

N = 512
SHAPES = [(1, 1, 23), (1, 2, 15), (1, 3, 12), (1, 8, 5), (2, 1, 23), (2, 2, 16), (3, 2, 12), (4, 5, 8)]


def made(kernel, key, size, levels, base_log):
    bits, _, columns = key.shape[:3]
    bootstrap = Bootstrap(Ring(kernel, size), BootstrapShape(bits, columns - 1, levels, base_log))
    ready = aligned(*bootstrap.key_shape)
    bootstrap.make_key(key, ready, bootstrap.scratch(0))
    return bootstrap, ready


def look_up(bootstrap, key, given, tables):
    out = np.empty((len(given), bootstrap.dimension + 1), np.uint64)
    bootstrap.look_up(key, given, tables, out, bootstrap.scratch(len(given)))
    return out


@pytest.mark.parametrize(("dimension", "levels", "base_log"), SHAPES)
def test_a_bit_of_a_key_word_by_word(kernel, random, dimension, levels, base_log):
    """Of one bit, so that no digit stands near an edge: what doubles add is no more than their formula says."""
    key = words(random, 1, levels, dimension + 1, dimension + 1, N)
    bootstrap, ready = made(kernel, key, N, levels, base_log)
    given, tables = words(random, 3, 2), words(random, 3, 16)
    given[0, 0] = given[1, 1] = 0
    found = look_up(bootstrap, ready, given, tables)
    expected = [looked_up(key, levels, base_log, *each) for each in zip(given, tables, strict=True)]
    errors = (found - np.array(expected)).view(np.int64) / 2.0**64
    # Of one coefficient: a phase adds those of half of the k N bits.
    assert (
        np.abs(errors).max() < 8 * np.sqrt(0.16 * 2.0**-106 * levels * 4.0**base_log * (dimension + 1) * N) + 2.0**-52
    )


@pytest.mark.parametrize(("dimension", "levels", "base_log"), SHAPES)
@pytest.mark.parametrize("entries", [1, 16, N])
def test_whole_lookups(kernel, random, dimension, levels, base_log, entries):
    """Under keys without noise, at whole positions: what is left is what the formula of noise says."""
    bits = 12
    small, large = random.integers(0, 2, bits, np.uint64), random.integers(0, 2, (dimension, N), np.uint64)
    bootstrap, ready = made(kernel, bootstrap_key(random, small, large, levels, base_log), N, levels, base_log)
    at = np.append(random.integers(0, 2 * entries, 3), 0)
    tables, given = words(random, 4, entries), np.zeros((4, bits + 1), np.uint64)
    unit = (1 << 64) // (2 * N)
    given[:, :-1] = random.integers(0, 2 * N, (4, bits)).astype(np.uint64) * np.uint64(unit)
    given[:, -1] = (given[:, :-1] * small).sum(1, dtype=np.uint64)
    given[:, -1] += at.astype(np.uint64) * np.uint64(N // entries * unit)
    expected = tables[np.arange(4), at % entries]
    expected = np.where(at < entries, expected, np.negative(expected))
    errors = (phase(look_up(bootstrap, ready, given, tables), large) - expected).view(np.int64) / 2.0**64
    assert np.abs(errors).max() < 6 * deviation(bits, dimension, N, levels, base_log) + 2.0**-52


def test_errors_are_no_larger_at_low_frequencies(kernel, random):
    """Where a key of zeros and ones would multiply them: digits' means do not add up there, though these are small."""
    levels, base_log, lookups = 12, 2, 16
    key = words(random, 1, levels, 2, 2, N)
    bootstrap, ready = made(kernel, key, N, levels, base_log)
    given, tables = words(random, lookups, 2), words(random, lookups, N)
    found = look_up(bootstrap, ready, given, tables)
    expected = [looked_up(key, levels, base_log, *each) for each in zip(given, tables, strict=True)]
    errors = (found - np.array(expected)).view(np.int64)[:, :N].astype(float)
    errors[:, 1:] = -errors[:, :0:-1]  # as the polynomial that they were extracted from
    lowest = np.abs(errors @ np.exp(1j * np.pi / N * np.arange(N))) ** 2
    assert lowest.mean() < 4 * N * np.mean(errors**2)


@pytest.mark.parametrize("size", [1024, 2048, 4096, 8192])
def test_other_sizes(kernel, random, size):
    small, large = np.ones(2, np.uint64), random.integers(0, 2, (1, size), np.uint64)
    bootstrap, ready = made(kernel, bootstrap_key(random, small, large, 1, 22), size, 1, 22)
    # As many entries as coefficients: in the first steps, boxes of equal ones have errors at low frequencies.
    tables, unit = words(random, 1, size), (1 << 64) // 8
    given = np.array([[unit, 3 * unit, 4 * unit + 3 * (unit // 2)]], np.uint64)
    error = (phase(look_up(bootstrap, ready, given, tables), large) - tables[0, 3 * size // 8]).view(np.int64)[
        0
    ] / 2.0**64
    assert abs(error) < 6 * deviation(2, 1, size, 1, 22)


def test_rounding_is_compensated(kernel, random):
    """Masks whose errors all go one way: a lookup reads where half of them lead."""
    key = np.zeros((200, 1, 2, 2, N), np.uint64)
    bootstrap, ready = made(kernel, key, N, 1, 20)
    given, table = np.zeros((2, 201), np.uint64), words(random, 1, N)
    step = (1 << 64) // (2 * N)
    given[0, :-1], given[1, :-1] = step // 4, 3 * step // 4  # rounded down, and up
    given[:, -1] = 60 * step
    found = look_up(bootstrap, ready, given, np.repeat(table, 2, axis=0))
    assert found[:, -1].tolist() == [table[0, 60 - 25], table[0, 60 + 25]]


def test_side_by_side_as_one_by_one(kernel, random):
    key = words(random, 3, 2, 2, 2, N)
    bootstrap, ready = made(kernel, key, N, 2, 15)
    given, tables = words(random, 9, 4), words(random, 9, 4)
    together = look_up(bootstrap, ready, given, tables)
    alone = [look_up(bootstrap, ready, given[q : q + 1], tables[q : q + 1])[0] for q in range(9)]
    assert together.tolist() == np.array(alone).tolist()


@pytest.mark.parametrize(("levels", "base_log"), [(1, 10), (3, 5), (4, 4), (5, 3), (7, 2), (15, 1), (32, 1)])
@pytest.mark.parametrize("target", [15, 20])
def test_a_keyswitch(kernel, random, levels, base_log, target):
    key = words(random, 33, levels, target + 1)
    switch = Keyswitch(kernel, KeyswitchShape(33, target, levels, base_log))
    given, out = words(random, 5, 34), np.empty((5, target + 1), np.uint64)
    switch.switch(switch.make_key(key), given, out, switch.scratch(5))
    rounded = key + np.uint64(1 << 31) & np.uint64(0xFFFFFFFF << 32)
    assert out.tolist() == [keyswitched(rounded, base_log, each).tolist() for each in given]


def test_wrong_arguments(kernel, random):
    ring = Ring(kernel, N)
    for shape in [(0, 1, 1, 1), (5, 0, 1, 1), (5, 1, 17, 1), (5, 1, 2, 27), (5, 1, 0, 1), (5, 1, 1, 0), (5, 1, 1, 32)]:
        with pytest.raises(ValueError, match="expected at most"):
            Bootstrap(ring, BootstrapShape(*shape))
    bootstrap = Bootstrap(ring, BootstrapShape(3, 1, 2, 15))
    key, scratch = aligned(*bootstrap.key_shape), bootstrap.scratch(2)
    given, tables, out = words(random, 2, 4), words(random, 2, 4), np.empty((2, N + 1), np.uint64)
    for wrong in [
        (key[:2], given, tables, out, scratch),
        (key, given[:, :3], tables, out, scratch),
        (key, given.astype(np.int64), tables, out, scratch),
        (key, given, words(random, 2, 3), out, scratch),
        (key, given, words(random, 2, 2 * N), out, scratch),
        (key, given, tables[:1], out, scratch),
        (key, given, tables, out[:, ::-1], scratch),
        (key, given, tables, out, bootstrap.scratch(1)),
        (key, given, np.empty((2, 0), np.uint64), out, scratch),
        (key, out[:, :4], tables, out, scratch),
    ]:
        with pytest.raises(ValueError, match="expected"):
            bootstrap.look_up(*wrong)
    with pytest.raises(ValueError, match="words: uint64"):
        bootstrap.make_key(words(random, 3, 1, 2, 2, N), key, scratch)
    with pytest.raises(ValueError, match="side by side"):
        bootstrap.scratch(-1)


def test_wrong_arguments_of_a_keyswitch(kernel, random):
    for shape in [(0, 5, 1, 1), (5, 0, 1, 1), (5, 5, 33, 1), (5, 5, 3, 18)]:
        with pytest.raises(ValueError, match="expected"):
            Keyswitch(kernel, KeyswitchShape(*shape))
    switch = Keyswitch(kernel, KeyswitchShape(6, 5, 2, 4))
    key = switch.make_key(words(random, 6, 2, 6))
    given, out = words(random, 2, 7), np.empty((2, 6), np.uint64)
    for wrong in [
        (key[:5], given, out, switch.scratch(2)),
        (key, given[:, :6], out, switch.scratch(2)),
        (key, given, out[:1], switch.scratch(2)),
        (key, given, out, switch.scratch(1)),
        (key, given, given, switch.scratch(2)),
    ]:
        with pytest.raises(ValueError, match="expected"):
            switch.switch(*wrong)
    with pytest.raises(ValueError, match="words of shape"):
        switch.make_key(words(random, 6, 2, 5))
    with pytest.raises(ValueError, match="side by side"):
        switch.scratch(1 << 20)
