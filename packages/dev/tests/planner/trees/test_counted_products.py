"""Two tables for one product each become one that counts; the polynomial stays the same function."""

from itertools import product

from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.trees.counted_products import count_products
from cryptable.planner.trees.tree_polynomials import Alphabet

EDGES = tuple((0.0,) for _ in range(6))


def value(polynomial, alphabet, bits):
    def symbol(index):
        if index < len(bits):
            return bits[index]
        conditions = alphabet.groups[index - len(bits)].conditions
        return all(bits[one] if zero is None else not bits[zero] for one, zero in conditions)

    terms = polynomial.items()
    return sum(each * all(symbol(i) for i in range(mask.bit_length()) if mask >> i & 1) for mask, each in terms)


def rewritten(polynomial, masks):
    alphabet = Alphabet(Bits(EDGES))
    result, tables = count_products(polynomial, masks, alphabet, 16)
    for bits in product((0, 1), repeat=6):
        assert abs(value(result, alphabet, bits) - value(polynomial, alphabet, bits)) < 1e-12
    return result, tables, alphabet


def test_two_products_of_three_bits_share_a_table():
    _, tables, alphabet = rewritten({0b000111: 2.0, 0b111000: -3.0}, [0b000111, 0b111000])
    assert len(tables) == 1
    assert [group.size for group in alphabet.groups] == [4, 4]


def test_conditions_are_chosen_so_that_nothing_is_left_over():
    # x0 (1 - x1) x2: its product of two bits vanishes only where the second condition is that a bit is 0.
    _, tables, alphabet = rewritten({0b000101: 1.0, 0b000111: -1.0, 0b111000: 1.0}, [0b000111, 0b111000])
    assert len(tables) == 1
    assert alphabet.groups[0].conditions == ((0, None), (None, 1), (2, None))


def test_a_product_without_a_partner_stays():
    polynomial = {0b000111: 2.0, 0b011000: 1.0}
    result, tables, _ = rewritten(polynomial, [0b000111, 0b011000])
    assert result == polynomial
    assert sorted(tables) == [0b000111, 0b011000]


def test_smaller_products_that_no_other_table_holds_keep_the_table():
    polynomial = {0b000111: 2.0, 0b000011: 0.3, 0b000101: 0.4, 0b000110: 0.7, 0b111000: 1.0}
    _, tables, _ = rewritten(polynomial, [0b000111, 0b111000])
    assert len(tables) == 2
