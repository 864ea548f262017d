"""Compares our own search for crypto parameters with Concrete's optimizer: prices of the same circuits, and exactness.

    python tools/bench/parameters.py                      the catalogue's entries by Concrete, and 200 random circuits
    python tools/bench/parameters.py --circuits 20 --seed 5

Both prices are operations as Concrete's optimizer counts them, of all lookups and keyswitches of a circuit. Random
circuits have one to three levels of lookups of one width, or of several, for which either may choose several keys of a
kind. Ours are those that a model gets which shares keys with no other. Exit status 1: one of them is dearer, or misses.
Needs concrete-python; takes some minutes.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptable_engine import (
    Circuit,
    CircuitError,
    CompilationError,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Node,
    Program,
    Term,
    UnsupportedProgramError,
    to_mlir,
    verify,
)
from cryptable_engine.schemes.bootstrapped.compiling.chosen_keyset import ChosenKeyset
from cryptable_engine.schemes.bootstrapped.compiling.several_levels_compiler import choose_several_levels
from cryptable_engine.schemes.bootstrapped.concrete.native import compile_mlir
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MAX_GLWE_DIMENSION,
    bootstrap_variance_bound,
    keyswitch_offset_bound,
    keyswitch_variance_bound,
    minimal_variance,
    rounding_variance,
    tolerated_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.keyset_search import cheapest_keyset
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, lay_out
from cryptable_engine.schemes.bootstrapped.parameters.lookup_groups import cheapest_assignment
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import (
    Demand,
    Demands,
    complexity,
    demands_of,
    is_exact_enough,
    room,
)
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import true_p_error
from cryptable_engine.schemes.bootstrapped.program import write_record
from cryptable_protocol import CompileOptions, KeysetParameters

LOG2_P_ERRORS = (-40, -64, -128)
_ROUNDED = 1 + 1e-9
_ANY_WAY = 2.0**-10
"""So large a p_error that a keyset serves, if its keys lead where a circuit needs them."""


def random_circuit(rng: np.random.Generator) -> Circuit:
    """One to three levels of lookups of 1 to 6 bits, of sums of what stands before, and scores of up to 12 bits."""
    levels, one_width = int(rng.integers(1, 4)), bool(rng.integers(2))
    widths = [int(rng.integers(2, 7)) if one_width else 0] * levels
    widths = [width or int(rng.integers(1, 7)) for width in widths]
    nodes: list[Node] = [Input((InputGroup(GroupKind.RANGE, int(rng.integers(4, 30)), 1),))]
    highest = 1
    for width, after in zip(widths, [*widths[1:], 4], strict=True):
        nodes.append(_sum(rng, nodes[-1].size, int(rng.integers(2, 24)), highest, (1 << width) - 1, len(nodes) - 1))
        highest = int(rng.integers(1, 1 << after))
        tables = rng.integers(0, highest + 1, (1, 1 << width))
        tables[0, 0] = highest
        nodes.append(Lookup(len(nodes) - 1, tables, np.zeros(nodes[-1].size, np.int64)))
    most = (1 << int(rng.integers(6, 13))) - 1
    nodes.append(_sum(rng, nodes[-1].size, int(rng.integers(1, 4)), highest, most, len(nodes) - 1))
    return Circuit(tuple(nodes), len(nodes) - 1)


def _sum(rng: np.random.Generator, size: int, outputs: int, highest: int, most: int, source: int) -> Linear:
    """Of some of `size` values of up to `highest`, with weights by which each sum is at most `most`, if it can be."""
    weights = np.zeros((size, outputs), np.int64)
    for column in weights.T:
        room = max(1, most // highest)
        for place in rng.permutation(size)[: int(rng.integers(1, size + 1))]:
            column[place] = min(room, 1 + int(rng.integers(0, max(1, room // 3))))
            room -= int(column[place])
            if room <= 0:
                break
    return Linear((Term.from_dense(source, weights),), np.zeros(outputs, np.int64))


@dataclass(frozen=True)
class Compared:
    """Of one circuit, or of what one entry of the catalogue is just exact enough for: both prices, and the search."""

    ours: float
    theirs: float
    keys: int
    """Bootstrap keys that Concrete gives it."""
    own_keys: int
    """Those that we do."""
    true_p_error: float
    """With Concrete's keyset, by our bounds in the mean over keys, over the p_error that was asked for."""
    is_exact: bool
    """Whether Concrete's keyset is exact enough by the bounds that ours are chosen by, under every honest key."""
    seconds: float
    """Of CPU, of our search."""

    @property
    def ratio(self) -> float:
        """Of the prices; above 1 where ours is dearer."""
        return self.ours / self.theirs


def concretes(circuit: Circuit, p_error: float) -> Program | None:
    """By its optimizer; None where it finds no parameters, or those of keys that no reader accepts."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        try:
            compile_mlir(
                to_mlir(circuit),
                directory,
                p_error=p_error,
                security_bits=128,
                simulation=False,
                max_glwe_dimension=MAX_GLWE_DIMENSION,
            )
            write_record(directory, p_error)
            return Program.load(directory)
        except (CompilationError, UnsupportedProgramError) as error:
            if "NoParametersFound" in str(error) or "evaluation keys of" in str(error):
                return None
            raise


def random_circuits(count: int, seed: int) -> Iterator[tuple[list[int], float, Compared | str]]:
    """Widths of the lookups of each level, p_error, and the comparison, or why there is none."""
    rng = np.random.default_rng(seed)
    done = 0
    while done < count:
        circuit, p_error = random_circuit(rng), 2.0 ** int(rng.choice(LOG2_P_ERRORS))
        try:
            found = verify(circuit)
        except CircuitError:  # sums that do not fit the tables that were drawn for them
            continue
        done += 1
        began = time.process_time()
        layout = lay_out(circuit, found)
        choice = ours(circuit, layout, p_error)
        seconds = time.process_time() - began
        widths = [node.width for node in circuit.nodes if isinstance(node, Lookup)]
        theirs = concretes(circuit, p_error)
        if choice is None or theirs is None:
            both = "neither has a keyset" if choice is None and theirs is None else "one alone has a keyset"
            yield widths, p_error, f"{both}: ours {choice is not None}, Concrete {theirs is not None}"
            continue
        if (true := true_p_error(circuit, choice.keyset, p_error)) > p_error * _ROUNDED:
            raise AssertionError(f"a keyset of p_error {true}, asked for was {p_error}")
        promised = true_p_error(circuit, theirs.keyset, p_error) / p_error
        keys = len(theirs.keyset.bootstrap_keys), len(choice.keyset.bootstrap_keys)
        is_exact = is_theirs_exact(circuit, layout, theirs.keyset, p_error)
        price = choice.optimum or math.inf
        yield widths, p_error, Compared(price, theirs.complexity, *keys, promised, is_exact, seconds)


def is_theirs_exact(circuit: Circuit, layout: Layout, keyset: KeysetParameters, p_error: float) -> bool:
    """By our bounds; of several keys, where our evaluator knows a way through them at all."""
    if len(keyset.bootstrap_keys) == 1:
        return is_exact_enough(keyset, demands_of(circuit, layout), p_error)
    found, any_way = (cheapest_assignment(circuit, layout, keyset, each) for each in (p_error, _ANY_WAY))
    return found is not None or any_way is None


def ours(circuit: Circuit, layout: Layout, p_error: float) -> ChosenKeyset | None:
    """Our choice, whose exactness was looked at when it was made; None where there is none."""
    try:
        return choose_several_levels(circuit, layout, CompileOptions(p_error=p_error), catalogue=False)
    except CompilationError:
        return None


def entries() -> Iterator[tuple[str, Compared]]:
    """Those that Concrete chose; of each what it is just exact enough for by our bounds, but without compensation."""
    for entry in keyset_catalogue():
        if not entry.name.startswith("width") or entry.retired:
            continue
        (key,), (switch,), dimensions = (
            entry.keyset.bootstrap_keys,
            entry.keyset.keyswitch_keys,
            entry.keyset.dimensions,
        )
        small, large = dimensions[key.input_key], dimensions[key.output_key]
        reading = rounding_variance(small, key.polynomial_size, compensated=False)
        reading += keyswitch_variance_bound(switch, large)
        exact, off = (Demand(entry.width, 0.0, 0.0),), keyswitch_offset_bound(switch, large)
        left = float(room(exact, 0.0, np.zeros(()), entry.p_error, offset=off)) - reading
        borne = tolerated_variance(0, entry.p_error) / bootstrap_variance_bound(key, small)
        read = Demand(entry.width, left / minimal_variance(large), 0.0)
        began = time.process_time()
        keyset = cheapest_keyset(Demands((read,), (Demand(0, 0.0, borne),), entry.width, 1), entry.p_error)
        seconds = time.process_time() - began
        price = math.inf if keyset is None else complexity(keyset, 1)
        yield entry.name, Compared(price, entry.price, 1, 1, 1.0, True, seconds)


def row(what: str, compared: list[Compared]) -> str:
    """Of the table."""
    if not compared:
        return f"| {what} | 0 | - | - | - | - | - |"
    ratios = [each.ratio for each in compared]
    dearer = sum(ratio > 1 for ratio in ratios)
    middle, mean = statistics.median(ratios), statistics.geometric_mean(ratios)
    slowest = max(each.seconds for each in compared)
    return (
        f"| {what} | {len(compared)} | {min(ratios):.2f} | {middle:.2f} | {mean:.2f} | {max(ratios):.2f} | {dearer} "
        f"| {slowest:.2f} |"
    )


def main() -> int:
    """Print the table; 1 where a circuit is dearer by our search, or has no keyset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--circuits", type=int, default=200, help="random circuits")
    parser.add_argument("--seed", type=int, default=1, help="of the random circuits")
    arguments = parser.parse_args()
    of_entries = [compared for _, compared in entries()]
    one, several, inexact = list[Compared](), list[Compared](), list[Compared]()
    neither = alone = 0
    for widths, p_error, compared in random_circuits(arguments.circuits, arguments.seed):
        told = f"widths {widths}, p_error 2^{math.log2(p_error):.0f}"
        if isinstance(compared, str):
            print(f"{told}: {compared}", file=sys.stderr)
            neither, alone = neither + compared.startswith("neither"), alone + compared.startswith("one")
            continue
        if not compared.is_exact:
            inexact.append(compared)
        else:
            (one if compared.keys == 1 else several).append(compared)
        if compared.ratio > 1:
            under = (
                f"its keyset misreads {compared.true_p_error:.3g} times as often as asked for, in the mean over keys"
            )
            print(
                f"{told}: ratio {compared.ratio:.3f}, {compared.own_keys} keys, Concrete has {compared.keys}; {under}",
                file=sys.stderr,
            )
    print("| circuits | number | least | median | geometric mean | most | dearer | slowest search, s of CPU |")
    print("|---|---|---|---|---|---|---|---|")
    print(row("what entries of Concrete's are just exact enough for", of_entries))
    print(row("random, to which Concrete gives one keyset", one))
    print(row("random, to which it gives several keys of a kind", several))
    print(row("random, all to which we do", [each for each in (*one, *several, *inexact) if each.own_keys > 1]))
    print(row("random, whose keyset by Concrete is not exact enough by our bounds", inexact))
    print(f"\n{neither} random circuits have no keyset by either, {alone} by one alone")
    return int(alone > 0 or any(each.ratio > 1 for each in (*of_entries, *one, *several)))


if __name__ == "__main__":
    sys.exit(main())
