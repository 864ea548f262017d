"""No code of a table amplifies the noise of its bits by more than the catalogue's keysets are made for."""

from __future__ import annotations

from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.trees.codes import Code
from cryptable.planner.trees.set_cover import TableCover
from cryptable.planner.trees.tree_polynomials import Alphabet, Group
from cryptable_engine.schemes.bootstrapped.parameters.one_level import typical_demands
from hypothesis import given, settings
from hypothesis import strategies as st

FEATURES, COUNTED, GROUPS = 8, 6, 3
EDGES = COUNTED + 2 * GROUPS
CONDITIONS = st.sampled_from([(True, True), (True, False), (False, True)])


@settings(deadline=None)
@given(
    st.integers(2, 6),
    st.lists(st.integers(1, COUNTED), max_size=4),
    st.lists(st.lists(CONDITIONS, min_size=2, max_size=FEATURES), max_size=GROUPS),
)
def test_codes_of_thermometers_and_of_counted_conditions(width, counts, groups):
    """Of those digits that fit, none with a bit of another's. A condition has a lower edge, an upper one, or both."""
    alphabet = Alphabet(Bits(tuple(tuple(map(float, range(EDGES))) for _ in range(FEATURES))))
    digits = [sum(1 << (index * EDGES + edge) for edge in range(count)) for index, count in enumerate(counts)]
    for edge, group in zip(range(COUNTED, EDGES, 2), groups, strict=False):
        conditions = tuple(
            (index * EDGES + edge if above else None, index * EDGES + edge + 1 if below else None)
            for index, (above, below) in enumerate(group)
        )
        digits.append(1 << alphabet.symbol(Group(conditions)))
    cover, mask = TableCover(alphabet.digit_of, alphabet.digit_sizes, 1 << width), 0
    for digit in digits:
        if cover.domain(mask | digit) <= cover.capacity:
            mask |= digit
    weights, _ = Code.of_mask(mask, alphabet).weights()
    squares = sum(weight**2 for weight in weights.values())
    assert squares <= typical_demands(width, 0.0).inputs[0].amplification
