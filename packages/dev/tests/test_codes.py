"""No code of a table amplifies the noise of its bits by more than the catalogue's keysets are made for."""

from __future__ import annotations

from cryptable.planner.bits import Bits
from cryptable.planner.codes import Code
from cryptable.planner.cover import TableCover
from cryptable.planner.expand import Alphabet, Group
from cryptable_engine.one_level import typical_demands
from hypothesis import assume, given
from hypothesis import strategies as st

FEATURES, EDGES = 8, 9


@given(
    st.integers(2, 6),
    st.lists(st.integers(1, 6), max_size=4),
    st.lists(
        st.lists(st.sampled_from([(True, True), (True, False), (False, True)]), min_size=2, max_size=8), max_size=3
    ),
)
def test_codes_of_thermometers_and_of_counted_conditions(width, counts, groups):
    """A group's condition is that a feature's number lies at or above one edge, below another, or both."""
    alphabet = Alphabet(Bits(tuple(tuple(map(float, range(EDGES))) for _ in range(FEATURES))))
    mask = sum(1 << (feature * EDGES + edge) for feature, count in enumerate(counts) for edge in range(count))
    for group in groups:
        conditions = tuple(
            (feature * EDGES + 7 if above else None, feature * EDGES + 8 if below else None)
            for feature, (above, below) in enumerate(group)
        )
        mask |= 1 << alphabet.symbol(Group(conditions))
    assume(mask)
    cover = TableCover(alphabet.digit_of, alphabet.digit_sizes, 1 << width)
    assume(cover.domain(mask) <= cover.capacity)
    weights, _ = Code.of_mask(mask, alphabet).weights()
    squares = sum(weight**2 for weight in weights.values())
    assert squares <= typical_demands(width, 0.0).inputs[0].amplification
