"""How quiet coefficients of leaves are beside the constant one: the norms that noise/other_coefficients.py has.

python tools/bench/levelled_quiet.py               all, in minutes; exit status 1 where one that it has is too small
python tools/bench/levelled_quiet.py --places 2 4

What a key switch adds at a node of the trace tree, N coefficients, reaches the coefficients of leaves below by a linear
map. That of a full tree, and of forms of all coefficients less than so many places from the constant one, T: printed is
the greatest eigenvalue of its T' T, by key v over 2^(10 - v), rounded up. Leaves that the last level does not split are
added to those that it does.
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np
import numpy.typing as npt
from cryptable_engine.schemes.levelled.noise.other_coefficients import PLACES, quiet_norm
from cryptable_engine.schemes.levelled.plans.automorphisms import targets
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE

FloatArray = npt.NDArray[np.float64]


def moved(form: FloatArray, target: npt.NDArray[np.int64], sign: FloatArray) -> FloatArray:
    """A quadratic form of what a signed permutation makes of its argument."""
    found: FloatArray = form[np.ix_(target, target)] * sign[:, None] * sign
    return found


def norms(places: int) -> list[float]:
    """By key, the last one first."""
    below = np.zeros((RING_SIZE, RING_SIZE))
    read = np.concatenate([np.arange(1, places), RING_SIZE - np.arange(1, places)])
    below[read, read] = 1.0
    unsplit, found, index = below.copy(), [], np.arange(RING_SIZE)
    for key in range(LOG2_RING_SIZE - 1, -1, -1):
        step = 1 << key
        odd = moved(below, (index - step) % RING_SIZE, np.where(index < step, -1.0, 1.0))
        # The noise is added to the even result, and subtracted from the odd one before that is shifted.
        found.append(float(np.linalg.eigvalsh(below + odd)[-1]) / 2.0 ** (LOG2_RING_SIZE - 1 - key))
        target, is_same = targets(key)
        sign = np.where(is_same, 1.0, -1.0)
        crossed = (below - odd)[target] * sign[:, None]
        below = below + odd + crossed + crossed.T + moved(below + odd, target, sign)
        if key == LOG2_RING_SIZE - 1:
            below += unsplit
    return found


def main() -> int:
    """Print them, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, nargs="*", default=PLACES)
    options = parser.parse_args()
    holds = True
    for places in options.places:
        found = norms(places)[::-1]
        has = [quiet_norm(places, key) / 2.0 ** (LOG2_RING_SIZE - 1 - key) for key in range(LOG2_RING_SIZE)]
        print(f"{places}: ({', '.join(f'{math.ceil(norm * 100) / 100:.2f}' for norm in found)}),", flush=True)
        holds &= all(norm <= known for norm, known in zip(found, has, strict=True))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
