"""Every entry point against NumPy, by every path."""

import numpy as np
import pytest
from cryptable_kernel import MAX_ROWS, PAIR, STAYS, SWITCHED, ExpansionKeys, Forms, Ring, aligned
from kernel_oracle import centred, digits, divided_by_power, split, times_key

N = 512
GADGET = (3, 6)


def of(values):
    """A copy that the kernel reads."""
    found = aligned(*np.shape(values))
    found[:] = values
    return found


def torus(random, *shape):
    return random.integers(-(2**51), 2**51, (*shape, N)) * 2.0**-52


def coarse(random, *shape):
    """Torus elements of so few bits that all sums below are exact."""
    return random.integers(-(2**19), 2**19, (*shape, N)) * 2.0**-20


def pairs_of(ring, values):
    found = of(values)
    ring.pairs(found.reshape(-1, 2, N), ring.scratch())
    return found


def polynomials_of(ring, pairs):
    """Of pairs, centred: as forms that read one product each."""
    count = np.arange(len(pairs) + 1)
    none = np.empty(0, np.int64)
    forms = Forms(
        N,
        term_first=count,
        term_place=count[:-1],
        term_sign=np.ones(len(pairs)),
        read_first=np.zeros_like(count),
        read_source=none,
        weight_first=[0],
        weight_at=none,
        weight=none,
        constant=np.zeros((len(pairs), 1)),
        spectra=aligned(0, N),
    )
    out = aligned(len(pairs), 2, N)
    ring.forms(forms, 0, len(pairs), aligned(0, 2, N), pairs, out, ring.scratch())
    return out


def assert_near(found, expected, tolerance=1e-9):
    assert np.abs(centred(found - expected)).max() < tolerance


def rounded(leaves, gadget):
    """With masks that are what their digits say."""
    found, (levels, base_log) = leaves.copy(), gadget
    for leaf in found:
        leaf[0] = np.tensordot(2.0 ** (-base_log * np.arange(1, levels + 1)), digits(leaf[0], gadget), 1)
    return found


def keys_of(ring, random, keys, gadget=GADGET):
    """Of automorphisms, each of that gadget, and a random one to switch with, which is given, too."""
    switch = coarse(random, gadget[0], 2)
    return switch, ExpansionKeys(
        N,
        gadgets=[gadget] * len(keys),
        automorphisms=[pairs_of(ring, key) for key in keys],
        gadget=gadget,
        switch=pairs_of(ring, switch),
    )


@pytest.fixture
def ring(kernel):
    return Ring(kernel, N)


@pytest.mark.parametrize("size", [512, 1024, 2048, 4096, 16384])
def test_transforms_multiply(kernel, random, size):
    ring = Ring(kernel, size)
    one, other = random.integers(-99, 100, size), random.integers(-99, 100, (2, size))
    product = aligned(2, size)
    pair = of(other)
    ring.pairs(pair[None], ring.scratch())
    ring.add_multiple(of(one), pair, product, ring.scratch())
    full = [np.fft.irfft(np.fft.rfft(one, 2 * size) * np.fft.rfft(x, 2 * size)) for x in other]
    assert np.abs(product - [x[:size] - x[size:] for x in full]).max() < 1e-4
    polynomials = of(random.normal(size=(3, size)))
    transforms, back = aligned(3, size), aligned(3, size)
    ring.transform(polynomials, transforms)
    ring.transform_back(transforms, back)
    np.testing.assert_allclose(back, polynomials, rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [0, 1, 256, 1000, 65536, -512])
def test_other_sizes_are_refused(kernel, size):
    with pytest.raises(ValueError, match=f"{size} coefficients"):
        Ring(kernel, size)


@pytest.mark.parametrize("gadget", [(1, 16), (2, 9), (3, 13), (7, 6), (MAX_ROWS, 3)])
def test_switched_leaves(ring, random, gadget):
    leaves, key = torus(random, 3, 2), coarse(random, gadget[0], 2)
    found, switched = of(leaves), aligned(3, 2, N)
    ring.switch_leaves(found, gadget, pairs_of(ring, key), switched, ring.scratch())
    assert_near(polynomials_of(ring, found), rounded(leaves, gadget))
    expected = np.stack([times_key(mask, gadget, key) + np.stack([body, 0 * body]) for mask, body in leaves])
    assert_near(polynomials_of(ring, switched), expected)


def test_digits_are_those_of_numpy(ring):
    """Halves, and what is next to them, at every level: a mean of digits that is not zero would add up."""
    levels, base_log = gadget = (2, 4)
    ends = (np.arange(N) - N // 2) * 2.0 ** (-levels * base_log - 1)
    leaves = np.zeros((2, 2, N))
    leaves[:, 0] = ends, np.nextafter(ends, 1)
    for level in range(levels):
        key = np.zeros((levels, 2, N))
        key[level, 1, 0] = 2.0**-base_log / 2  # the digit itself, as a fraction
        found, switched = of(leaves), aligned(2, 2, N)
        ring.switch_leaves(found, gadget, pairs_of(ring, key), switched, ring.scratch())
        expected = [digits(mask, gadget)[level] * 2.0**-base_log / 2 for mask in leaves[:, 0]]
        assert_near(polynomials_of(ring, switched)[:, 1], expected)


@pytest.mark.parametrize(("number", "depth"), [(0, 9), (3, 1), (5, 2), (8, 1)])
def test_a_split(ring, random, number, depth):
    """Of two leaves, by the keys from this number on, so that each is the only one used."""
    shift = number
    keys = [coarse(random, GADGET[0], 2) for _ in range(shift + depth)]
    ciphertext = torus(random, 2)
    leaves = aligned(2, 2, N)
    leaves[0] = ciphertext
    _, given = keys_of(ring, random, keys)
    ring.expand(leaves, depth, shift, given, [STAYS, STAYS], aligned(0, 2, N), ring.scratch())
    even, odd = split(ciphertext, shift, 1 << shift, GADGET, keys[shift])
    if depth == 1:
        assert_near(leaves, [even, odd])
    else:  # the tree goes on only below leaves that there are
        assert_near(leaves[1], odd)
        assert_near(leaves[0], even)


@pytest.mark.parametrize(("count", "depth"), [(1, 1), (2, 1), (3, 2), (5, 3), (8, 3), (N, 9)])
def test_leaves_of_a_trivial_ciphertext(ring, random, count, depth):
    """Without a mask, keys add nothing: leaf j is coefficient j · 2^shift as often doubled as it was split."""
    shift = 9 - depth
    body = random.integers(-8, 8, N) * 2.0**-20
    leaves = aligned(count, 2, N)
    leaves[0, 1] = body
    _, keys = keys_of(ring, random, [coarse(random, GADGET[0], 2)] * 9)
    ring.expand(leaves, depth, shift, keys, [STAYS] * count, aligned(0, 2, N), ring.scratch())
    leaf = np.arange(count)
    splits = ((leaf[:, None] % (1 << np.arange(depth)) + (1 << np.arange(depth))) < count).sum(axis=1)
    assert_near(leaves[:, 1, 0], body[leaf << shift] * 2.0**splits)
    assert not leaves[:, 0].any()


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_a_tree_in_parts_with_leaves_made_ready(ring, random, levels):
    """Subtrees one by one are the tree, and leaves become what `pairs` and `switch_leaves` make of them."""
    depth, count, shift = 3, 7, 6
    ciphertext, scratch = torus(random, 2), ring.scratch()
    switch, keys = keys_of(ring, random, [coarse(random, GADGET[0], 2) for _ in range(9)])
    whole, parts, switched = aligned(count, 2, N), aligned(count, 2, N), aligned(count, 2, N)
    whole[0] = parts[0] = ciphertext
    ring.expand(whole, depth, shift, keys, [STAYS] * count, switched[:0], scratch)
    becomes = np.array([SWITCHED, PAIR, STAYS, STAYS, SWITCHED, PAIR, STAYS])
    ring.expand(parts[: 1 << levels], levels, shift, keys, [STAYS] * min(count, 1 << levels), switched[:0], scratch)
    for first in range(min(count, 1 << levels)):
        ring.expand(parts, depth, shift, keys, becomes, switched, scratch, below=(first, levels))
    expected, all_switched = whole.copy(), aligned(count, 2, N)
    with_pairs, with_switched = of(whole), of(whole)
    ring.pairs(with_pairs, scratch)
    ring.switch_leaves(with_switched, GADGET, pairs_of(ring, switch), all_switched, scratch)
    expected[becomes == PAIR] = with_pairs[becomes == PAIR]
    expected[becomes == SWITCHED] = with_switched[becomes == SWITCHED]
    np.testing.assert_array_equal(parts, expected)
    np.testing.assert_array_equal(switched[becomes == SWITCHED], all_switched[becomes == SWITCHED])
    assert not switched[becomes != SWITCHED].any()


def forms_of(ring, random, *, ready, folded, slots=3):
    """Three forms of random terms and reads, and what they are, form by form."""
    terms = [[(0, 1.0), (2, -1.0)], [], [(1, 1.0)]]
    reads = [[(0, {0: 3.0})], [(1, {1: -2.0, N - 1: 5.0}), (3, {7: 1.0})], [(2, {0: 1.0}), (0, {4: 9.0, 5: 1.0})]]
    flat = [read for form in reads for read in form]
    polynomials = np.zeros((len(flat), N))
    for polynomial, (_, weights) in zip(polynomials, flat, strict=True):
        polynomial[list(weights)] = list(weights.values())
    spectra = aligned(ready, N)
    ring.transform(of(polynomials[:ready]), spectra)
    constant = random.integers(-8, 8, (3, slots)) / 16
    forms = Forms(
        N,
        term_first=np.cumsum([0, *map(len, terms)]),
        term_place=[place for form in terms for place, _ in form],
        term_sign=[sign for form in terms for _, sign in form],
        read_first=np.cumsum([0, *map(len, reads)]),
        read_source=[source for source, _ in flat],
        weight_first=np.cumsum([0, *(len(weights) for _, weights in flat)]),
        weight_at=[at for _, weights in flat for at in weights],
        weight=[weight for _, weights in flat for weight in weights.values()],
        constant=constant,
        spectra=spectra,
        folded=folded,
    )

    def value(form, leaves, products):
        total = np.zeros((2, N))
        total[1, :slots] = constant[form]
        for place, sign in terms[form]:
            total += sign * products[place]
        for source, weights in reads[form]:
            for at, weight in weights.items():
                total += weight * np.stack([-divided_by_power(x, (N - at)) if at else x for x in leaves[source]])
        return centred(total)

    return forms, value


@pytest.mark.parametrize(("ready", "folded"), [(5, 0), (0, 0), (3, 0), (5, 4), (2, 2)])
def test_forms(ring, random, ready, folded):
    forms, value = forms_of(ring, random, ready=ready, folded=folded)
    leaves, products = torus(random, 4, 2), torus(random, 3, 2)
    given, out = of(leaves), aligned(3, 2, N)
    ring.pairs(given[folded:], ring.scratch())
    ring.forms(forms, 0, 3, given, pairs_of(ring, products), out, ring.scratch())
    assert_near(out, [value(form, leaves, products) for form in range(3)])
    ring.forms(forms, 1, 2, given, pairs_of(ring, products), out[:1], ring.scratch())
    assert_near(out[0], value(1, leaves, products))


@pytest.mark.parametrize("gadget", [(2, 9), (3, 6), (4, 6), (8, 4)])
def test_products_one_after_the_other(ring, random, gadget):
    forms, value = forms_of(ring, random, ready=4, folded=0)
    levels = gadget[0]
    leaves, products = torus(random, 4, 2), torus(random, 3, 2)
    switched, rows = coarse(random, 2 * levels, 2), coarse(random, 2 * levels, 2)
    begin, place = [levels, 0], [2, 0]
    expected = products.copy()
    for form in range(2):
        mask, body = value(form, leaves, expected)
        part = slice(begin[form], begin[form] + levels)
        expected[place[form]] = times_key(mask, gadget, switched[part]) + times_key(body, gadget, rows[part])
    found = pairs_of(ring, products)
    ring.products(
        forms,
        0,
        2,
        pairs_of(ring, leaves),
        found,
        gadget=gadget,
        switched=pairs_of(ring, switched),
        rows=pairs_of(ring, rows),
        begin=begin,
        place=place,
        scratch=ring.scratch(),
    )
    # The second form reads nothing that the first product wrote, so that no digit hangs on a rounding.
    assert_near(polynomials_of(ring, found), expected)


@pytest.mark.parametrize("power", [0, 1, N - 1, N, N + 7, 2 * N - 1])
def test_a_turn(ring, random, power):
    gadgets = (4, 5), (2, 10)
    tables = torus(random, 3, 2)
    mask_rows, body_rows = coarse(random, 4, 2), coarse(random, 2, 2)
    mask, body = (centred(divided_by_power(x, power) - x) for x in tables[1])
    expected = tables.copy()
    expected[1] += times_key(mask, gadgets[0], mask_rows) + times_key(body, gadgets[1], body_rows)
    found = of(tables)
    rows = [list(pairs_of(ring, each)) for each in (mask_rows, body_rows)]
    ring.turn(found, [1], [power], gadgets=gadgets, mask_rows=rows[0], body_rows=rows[1], scratch=ring.scratch())
    assert_near(found, expected)
    assert np.abs(found).max() <= 0.5


def test_arrays_that_do_not_fit_are_refused(ring, random):
    scratch, good = ring.scratch(), aligned(2, 2, N)
    memory = np.zeros(4 * N + 1)
    for bad in (
        np.zeros((2, 2, N), np.float32),
        memory[1:].reshape(2, 2, N) if memory.ctypes.data % 64 == 0 else memory[:-1].reshape(2, 2, N),
        aligned(2, 2, 2 * N)[:, :, ::2],
        aligned(2, 3, N),
    ):
        with pytest.raises(ValueError, match="ciphertexts"):
            ring.pairs(bad, scratch)
    good.flags.writeable = False
    with pytest.raises(ValueError, match="ciphertexts"):
        ring.pairs(good, scratch)
    with pytest.raises(ValueError, match="scratch"):
        ring.pairs(aligned(1, 2, N), scratch[:-8])
    x = aligned(2, N)
    with pytest.raises(ValueError, match="memory of their own"):
        ring.transform(x, x)


def test_indices_that_lead_out_of_memory_are_refused(ring, random):
    forms, _ = forms_of(ring, random, ready=0, folded=0)
    leaves, products, out, scratch = aligned(4, 2, N), aligned(3, 2, N), aligned(3, 2, N), ring.scratch()
    with pytest.raises(ValueError, match="places"):
        ring.forms(forms, 0, 3, leaves, products[:2], out, scratch)
    with pytest.raises(ValueError, match="leaves"):
        ring.forms(forms, 0, 3, leaves[:3], products, out, scratch)
    with pytest.raises(ValueError, match="expected some of"):
        ring.forms(forms, 0, 4, leaves, products, out, scratch)
    with pytest.raises(ValueError, match="room"):
        ring.forms(forms, 0, 3, leaves, products, out[:2], scratch)
    for begin, place, gadget in (([4], [0], (3, 6)), ([0], [3], (3, 6)), ([-1], [0], (3, 6)), ([0], [0], (9, 2))):
        with pytest.raises(ValueError, match=r"begin|place|digits"):
            ring.products(
                forms,
                0,
                1,
                leaves,
                products,
                gadget=gadget,
                switched=aligned(6, 2, N),
                rows=aligned(6, 2, N),
                begin=begin,
                place=place,
                scratch=scratch,
            )
    with pytest.raises(ValueError, match="chosen"):
        ring.turn(leaves, [4], [0], gadgets=((1, 5), (1, 5)), mask_rows=[out[0]], body_rows=[out[1]], scratch=scratch)
    with pytest.raises(ValueError, match="powers"):
        ring.turn(
            leaves, [0], [2 * N], gadgets=((1, 5), (1, 5)), mask_rows=[out[0]], body_rows=[out[1]], scratch=scratch
        )
    keys = ExpansionKeys(
        N, gadgets=[(1, 5)] * 9, automorphisms=[aligned(1, 2, N)] * 9, gadget=(1, 5), switch=aligned(1, 2, N)
    )
    for depth, shift, becomes, room, below in (
        *((1, 0, [0] * 4, 0, (0, 0)), (2, 9, [0] * 4, 0, (0, 0)), (2, -1, [0] * 4, 0, (0, 0))),
        *((2, 0, [0] * 4, 0, (2, 1)), (2, 0, [0] * 4, 0, (0, 3)), (2, 0, [0] * 4, 0, (-1, 1))),
        *((2, 0, [0] * 3, 0, (0, 0)), (2, 0, [3] * 4, 4, (0, 0)), (2, 0, [0, 0, 2, 0], 2, (0, 0))),
    ):
        with pytest.raises(ValueError, match=r"depth|shift|becomes|switched"):
            ring.expand(leaves, depth, shift, keys, becomes, aligned(room, 2, N), scratch, below=below)
    with pytest.raises(ValueError, match="switched"):
        ring.expand(leaves, 2, 0, keys, [2] * 4, leaves, scratch)
    with pytest.raises(ValueError, match="512 coefficients"):
        Ring(ring.kernel, 2 * N).expand(aligned(1, 2, 2 * N), 0, 0, keys, [0], aligned(0, 2, 2 * N), scratch)
    with pytest.raises(ValueError, match="key"):
        ExpansionKeys(N, gadgets=[(2, 5)], automorphisms=[aligned(1, 2, N)], gadget=(1, 5), switch=aligned(1, 2, N))
    with pytest.raises(ValueError, match="52 bits"):
        ring.switch_leaves(leaves, (11, 5), aligned(11, 2, N), aligned(4, 2, N), scratch)


def test_forms_that_contradict_themselves_are_refused():
    good = {
        "term_first": [0, 1],
        "term_place": [0],
        "term_sign": [1],
        "read_first": [0, 1],
        "read_source": [0],
        "weight_first": [0, 1],
        "weight_at": [0],
        "weight": [1],
        "constant": np.zeros((1, 1)),
        "spectra": aligned(0, N),
    }
    Forms(N, **good)
    for name, value in (
        ("term_first", [0, 2]),
        ("term_first", [1, 1]),
        ("term_place", [-1]),
        ("term_sign", [1, 1]),
        ("read_first", [0, 1, 0]),
        ("weight_first", [0]),
        ("weight_at", [N]),
        ("weight", []),
        ("constant", np.zeros((2, 1))),
        ("constant", np.zeros((1, N + 1))),
        ("spectra", aligned(2, N)),
    ):
        with pytest.raises(ValueError, match=f"{name}|expected"):
            Forms(N, **{**good, name: value})
