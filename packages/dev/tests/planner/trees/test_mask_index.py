"""The indices find exactly what a search through all finds."""

import numpy as np
from cryptable.planner.trees.mask_index import FitIndex, MaskIndex
from cryptable.planner.trees.set_cover import maximal_masks
from hypothesis import given
from hypothesis import strategies as st

masks = st.lists(st.integers(0, 63), max_size=30)


@given(masks, st.integers(1, 63))
def test_containing(sets, wanted):
    expected = [index for index, mask in enumerate(sets) if wanted & mask == wanted]
    assert MaskIndex(sets).containing(wanted) == expected


@given(masks)
def test_an_extended_set_is_found_by_all_its_symbols(sets):
    index = MaskIndex(sets)
    for position in range(len(sets)):
        index.extend(position, 5)
    assert index.containing(5) == list(range(len(sets)))
    assert index.masks == [mask | 5 for mask in sets]


@given(masks)
def test_maximal_masks_are_contained_in_no_other(sets):
    distinct = set(sets)
    expected = {mask for mask in distinct if not any(mask != other and mask & other == mask for other in distinct)}
    assert set(maximal_masks(sets)) == expected


@given(st.lists(st.dictionaries(st.integers(0, 7), st.integers(2, 4), min_size=1), max_size=100), st.data())
def test_candidates_are_the_tables_with_room_for_the_digits_they_lack(tables, data):
    capacity = 16
    index = FitIndex(capacity, shared=4)
    domains = [int(np.prod(list(table.values()))) for table in tables]
    for position, (table, domain) in enumerate(zip(tables, domains, strict=True)):
        index.put(position, domain, list(table))
    wanted = data.draw(st.dictionaries(st.integers(0, 7), st.integers(2, 4), min_size=1))
    expected = [
        position
        for position, (table, domain) in enumerate(zip(tables, domains, strict=True))
        if domain < capacity
        and domain * np.prod([size for digit, size in wanted.items() if digit not in table], initial=1) <= capacity
    ]
    assert index.candidates(list(wanted.items())) == expected
