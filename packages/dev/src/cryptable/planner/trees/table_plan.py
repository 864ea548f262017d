"""Which tables cover each score of trees: the scores as polynomials of bits, and the fewest tables that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptable.cost.prices import Draft
from cryptable.graphs.graph import TreeEnsemble
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.trees.counted_products import count_products
from cryptable.planner.trees.polynomial import Polynomial, add_to
from cryptable.planner.trees.set_cover import TableCover, maximal_masks
from cryptable.planner.trees.tree_polynomials import Alphabet, TreeExpansion

_SEARCH = 1_000_000
"""Rounds times products of the search for fewer tables, in all: some seconds."""
_MOST_ROUNDS = 3000
_NEGLIGIBLE = 1e-12
"""Relative to the largest coefficient: what is left of products that cancel in exact arithmetic."""


@dataclass(frozen=True)
class TablePlan:
    """Which tables cover each score, at one width: masks over the alphabet.

    Unless `bits_are_free`, tables cover single bits too, so that scores are sums of lookups alone, which some schemes
    have at a lower price; else a score may have bits added that no lookup has read.
    """

    width: int
    alphabet: Alphabet
    polynomials: tuple[Polynomial, ...]
    masks: tuple[tuple[int, ...], ...]
    bits_are_free: bool

    @property
    def lookups(self) -> int:
        """Lookups of one evaluation."""
        return sum(map(len, self.masks))

    @property
    def longest(self) -> int:
        """Tables of the score that has the most."""
        return max(map(len, self.masks))

    @property
    def parts(self) -> int:
        """Tables and functions of one feature that are summed."""
        features = sum(1 for edges in self.alphabet.bits.edges if edges) if self.bits_are_free else 0
        return self.longest + features

    def draft(self, output_bits: int) -> Draft:
        """For a price, with scores of so many bits."""
        return Draft(
            lookups=self.lookups,
            width=self.width,
            output_bits=output_bits,
            summed=self.longest,
            bits_are_free=self.bits_are_free,
        )


def drafts(graph: TreeEnsemble, bits: Bits, width: int, *, bits_are_free: bool | None = None) -> list[TablePlan]:
    """Plans at one width; none where a tree's path has more conditions than a table of that width can count.

    Args:
        graph: the trees.
        bits: theirs.
        width: of the tables, in bits.
        bits_are_free: the kind that is wanted; by default, of both kinds that may be cheapest.
    """
    expanded = _expanded(graph, bits, width)
    cover = expanded.cover()
    if any(cover.domain(mask) > cover.capacity for polynomial in expanded.polynomials for mask in polynomial):
        return []
    if bits_are_free is not None:
        kinds: tuple[bool, ...] = (bits_are_free,)
    else:
        kinds = (False, True) if expanded.has_lone_bits else (not expanded.has_tables,)
    return [_cover(expanded, bits_are_free=kind, rounds=0, progress=None) for kind in kinds]


def improved(
    draft: TablePlan,
    graph: TreeEnsemble,
    bits: Bits,
    *,
    bits_are_free: bool | None = None,
    rounds: int | None,
    progress: Callable[[float], None] | None,
) -> TablePlan:
    """A plan of a draft's kind and width with fewer tables, if there are such.

    Args:
        draft: one of `drafts`.
        graph: its trees, or the same with other leaves: rounded, they may need no table at all.
        bits: theirs.
        bits_are_free: as `drafts` was told.
        rounds: of the search; by default as many as take some seconds.
        progress: told the fraction done.
    """
    expanded = _expanded(graph, bits, draft.width)
    kind = draft.bits_are_free or not expanded.has_tables if bits_are_free is None else bits_are_free
    return _cover(expanded, bits_are_free=kind, rounds=rounds, progress=progress)


@dataclass(frozen=True)
class _Expanded:
    """The scores of trees as polynomials, for tables of one width."""

    width: int
    alphabet: Alphabet
    polynomials: tuple[Polynomial, ...]

    def cover(self) -> TableCover:
        """The tables' digits and capacity."""
        return TableCover(self.alphabet.digit_of, self.alphabet.digit_sizes, 1 << self.width)

    def products(self, output: int, *, bits_are_free: bool) -> list[int]:
        """That tables must hold."""
        bits, least = 1 << self.alphabet.bits.count, 2 if bits_are_free else 1
        return [mask for mask in self.polynomials[output] if mask.bit_count() >= least or mask >= bits]

    @property
    def has_tables(self) -> bool:
        """Whether there are products of two bits or more, or of a group's conditions."""
        return any(self.products(output, bits_are_free=True) for output in range(len(self.polynomials)))

    @property
    def has_lone_bits(self) -> bool:
        """Whether a score has products, and bits in none of them: only there do more tables cover single bits."""
        if not self.has_tables:
            return False
        for output in range(len(self.polynomials)):
            together = 0
            for mask in self.products(output, bits_are_free=True):
                together |= mask
            if any(not mask & together for mask in self.products(output, bits_are_free=False)):
                return True
        return False


def _expanded(graph: TreeEnsemble, bits: Bits, width: int) -> _Expanded:
    alphabet = Alphabet(bits)
    return _Expanded(width, alphabet, tuple(_expand(graph, output, alphabet, width) for output in range(graph.outputs)))


def _cover(
    expanded: _Expanded, *, bits_are_free: bool, rounds: int | None, progress: Callable[[float], None] | None
) -> TablePlan:
    """The tables of a plan, whose products are all within the capacity of one."""
    cover, outputs = expanded.cover(), len(expanded.polynomials)
    polynomials, masks = list(expanded.polynomials), []
    for index, polynomial in enumerate(expanded.polynomials):
        products = expanded.products(index, bits_are_free=bits_are_free)
        held = cover.solve(products, rounds=_affordable(products, outputs) if rounds is None else rounds)
        tables = [mask for mask in held if mask]
        polynomials[index], tables = count_products(
            polynomial, tables, expanded.alphabet, cover.capacity, bits_are_free=bits_are_free
        )
        masks.append(tuple(tables))
        if progress is not None:
            progress((index + 1) / outputs)
    return TablePlan(expanded.width, expanded.alphabet, tuple(polynomials), tuple(masks), bits_are_free)


def _affordable(products: list[int], outputs: int) -> int:
    """Rounds of the search for fewer tables that take some seconds for all outputs."""
    return min(_MOST_ROUNDS, _SEARCH // (1 + len(maximal_masks(products))) // outputs)


def _expand(graph: TreeEnsemble, output: int, alphabet: Alphabet, width: int) -> Polynomial:
    total: Polynomial = {}
    for tree in graph.trees:
        values = tree.values[:, output]
        if values.any():
            add_to(total, TreeExpansion(tree, values, alphabet, width).polynomial)
    largest = max(map(abs, total.values()), default=0.0)
    return {mask: value for mask, value in total.items() if abs(value) > _NEGLIGIBLE * largest}
