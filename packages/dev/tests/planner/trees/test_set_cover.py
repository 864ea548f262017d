"""The cover contains every product, within capacity."""

from cryptable.planner.trees.set_cover import TableCover, bits_of, maximal_masks
from hypothesis import given, settings
from hypothesis import strategies as st

DIGIT_OF = (0, 0, 0, 1, 1, 2, 2, 3, 4)
GROUPS = {4: 5}


@settings(deadline=None)
@given(st.sets(st.sets(st.integers(0, 7), min_size=2, max_size=4).map(frozenset), min_size=1, max_size=30))
def test_every_product_is_covered_within_capacity(products):
    cover = TableCover(DIGIT_OF, GROUPS, 16)
    masks = [sum(1 << bit for bit in product) for product in products]
    masks = [mask for mask in masks if cover.domain(mask) <= 16]
    tables = cover.solve(masks, rounds=10)
    assert all(cover.domain(table) <= 16 for table in tables)
    assert all(any(mask & table == mask for table in tables) for mask in masks)
    assert len(tables) <= len(maximal_masks(masks))


def test_domain_multiplies_bins_and_group_sizes():
    cover = TableCover(DIGIT_OF, GROUPS, 16)
    assert cover.domain(0b111) == 4
    assert cover.domain(0b1001) == 4
    assert cover.domain(1 << 8) == 5
    assert cover.domain(1 << 8 | 0b11) == 15


@settings(deadline=None)
@given(st.sets(st.integers(1, 255), max_size=20))
def test_maximal_masks_contain_all_and_not_each_other(masks):
    maximal = maximal_masks(masks)
    assert all(any(mask & other == mask for other in maximal) for mask in masks)
    assert not any(one != other and one & other == one for one in maximal for other in maximal)


@settings(deadline=None)
@given(st.integers(0, 1 << 70))
def test_bits_of_names_the_bits(mask):
    assert sum(1 << bit for bit in bits_of(mask)) == mask
