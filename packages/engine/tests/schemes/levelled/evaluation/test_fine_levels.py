"""The first levels of a deep tree are exact: each result is what integers give."""

import numpy as np
import pytest
from cryptable_engine.schemes.levelled.evaluation.expansion import expand
from cryptable_engine.schemes.levelled.evaluation.fine_levels import FINE_ROWS, expand_finely, fine_levels
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import HALF, fold, forward, inverse, torus, unfold
from cryptable_engine.schemes.levelled.evaluation.workspace import Scratch
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_protocol.schemes.levelled.layout import Run
from levelled_circuits import levelled_circuit, levelled_parameters
from levelled_client import turn

N, GRID = 2048, 52
MASK = (1 << GRID) - 1


def words_of(random, *shape):
    return random.integers(0, 1 << GRID, (*shape, N), dtype=np.uint64)


def product(polynomial, small):
    """Modulo X^N + 1 and 2^52: where 64-bit integers overflow, they do so modulo a multiple."""
    found = np.zeros(N, np.int64)
    for place in np.flatnonzero(small).tolist():
        moved = np.concatenate([-polynomial[N - place :], polynomial[: N - place]])
        found = (found + moved * small[place]) & MASK
    return found


def split(node, key, power, rows):
    """SPEC-LEVELLED.md, "Evaluation", 1: e + τ(e) and (e − τ(e)) · X^-power under the key."""
    mask, body = (np.array(turn(each, N // 2**key + 1)) for each in node)
    left = (mask + (1 << GRID - 1)) % (1 << GRID) - (1 << GRID - 1)
    switched = np.zeros((2, N), np.int64)
    for level, row in enumerate(rows, 1):
        unit = 1 << (GRID - 6 * level)
        digits = np.rint(left / unit).astype(np.int64)
        left = left - digits * unit
        switched += [product(each, digits) for each in row]
    turned = np.stack([-switched[0], body - switched[1]])
    odd = node - turned
    return (node + turned) & MASK, np.concatenate([odd[:, power:], -odd[:, :power]], axis=1) & MASK


def test_results_are_those_of_integers():
    random = np.random.default_rng(1)
    run = Run(0, 400)
    assert (run.shift, fine_levels(run)) == (2, 1)
    rows, ciphertext = words_of(random, FINE_ROWS, 2), words_of(random, 2)
    found = expand_finely(run, torus(ciphertext), rows)
    expected = np.stack(split(ciphertext.astype(np.int64), 2, 4, rows[14:21].astype(np.int64))).astype(np.uint64)
    assert (found == torus(expected)).all()


@pytest.mark.parametrize("count", [300, 1030])
def test_leaves_are_those_of_transforms_but_for_noise(client, count):
    keys, run, random = ServerKeys(memoryview(client.evaluation_keys)), Run(0, count), np.random.default_rng(count)
    circuit = levelled_circuit(random, steps=(3,), bits=10)
    parameters = levelled_parameters(circuit)
    space = Scratch(make_plan(circuit, parameters, parameters.maximum))
    ciphertext = torus(words_of(random, 2))
    nodes = expand_finely(run, ciphertext, keys.fine_rows)
    fine, plain = np.empty((2, count, 2, HALF), np.complex128)
    fine[: len(nodes)], plain[0] = fold(nodes), fold(ciphertext)
    expand(run, keys, fine, space, begun=fine_levels(run))
    expand(run, keys, plain, space)
    # Digits of what differs in rounding differ, and masks with them: phases do not.
    secret = forward(fold(np.array(client.secret, np.float64)))
    off = unfold(fine[:, 1] - plain[:, 1] - inverse(forward(fine[:, 0] - plain[:, 0]) * secret))
    off -= np.rint(off)
    assert 0 < np.abs(off).max() < 2.0**-20


def test_shallow_trees_have_none():
    assert [fine_levels(Run(0, count)) for count in (1, 200, 256, 257, 1024, 1025, 2048)] == [0, 0, 0, 1, 2, 3, 3]
