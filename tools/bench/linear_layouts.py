"""How many inputs a polynomial of a hidden linear model's row could have room for, if strides were mixed.

python tools/bench/linear_layouts.py                       three moduli, ten outputs
python tools/bench/linear_layouts.py --outputs 9 --tries 2000

With weights P, coefficient e of the product is the sum of m_j P_(e−j). Slot o of modulus r stands at t_r + o a,
input i at s_r + i b: with (a, b) = (inputs, 1) or (1, outputs), or between them, all differences of one modulus are
distinct and make a window. Windows of the moduli must be apart, and no difference of a slot and an input of two moduli
may be in one. SPEC-LEVELLED.md has windows of (inputs, 1), at multiples of their size; "interleaved" has
(1, outputs) for the third. Starts are drawn at random, and what is found is checked by counting.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.linear_layout import LinearLayout

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Pattern: TypeAlias = tuple[IntArray, IntArray]
STRIDES = (0, 1, 2, 4, 8)
"""Of slots; 0 stands for as many as there are inputs."""


def pattern(stride: int, inputs: int, outputs: int) -> Pattern:
    """Slots and inputs of one modulus, from their starts on."""
    slots, each = np.arange(outputs), np.arange(inputs)
    if stride == 0:
        return slots * inputs, each
    return slots * stride, each % stride + each // stride * stride * outputs


def _marked(places: IntArray) -> FloatArray:
    found = np.zeros(RING_SIZE)
    found[places % RING_SIZE] = 1
    return found


def _differences(slots: IntArray, inputs: IntArray) -> IntArray:
    return (slots[:, None] - inputs).ravel()


def _free(windows: FloatArray, shape: FloatArray) -> npt.NDArray[np.bool_]:
    """By how far the shape may be moved without meeting a window."""
    hits = np.fft.irfft(np.fft.rfft(windows) * np.conj(np.fft.rfft(shape)), RING_SIZE)
    free: npt.NDArray[np.bool_] = hits < 0.5
    return free


def search(patterns: list[Pattern], tries: int, random: np.random.Generator) -> list[tuple[int, int]] | None:
    """Starts of slots and of inputs for each of three moduli; None where none were found."""
    across = [[_marked(_differences(slots, inputs)) for _, inputs in patterns] for slots, _ in patterns]
    own = [across[r][r] for r in range(3)]
    every = np.arange(RING_SIZE)
    for _ in range(tries):
        at = [0, *random.integers(0, RING_SIZE, 2).tolist()]
        windows = np.sum([np.roll(each, place) for each, place in zip(own, at, strict=True)], axis=0)
        if np.max(windows) > 1:
            continue

        def able(one: int, other: int, windows: FloatArray = windows, at: list[int] = at) -> npt.NDArray[np.bool_]:
            """By how much inputs of the other modulus may start after those of the first."""
            forth, back = (_free(windows, across[a][b]) for a, b in ((one, other), (other, one)))
            found: npt.NDArray[np.bool_] = forth[(at[one] - every) % RING_SIZE] & back[(at[other] + every) % RING_SIZE]
            return found

        second, third, between = able(0, 1), able(0, 2), able(1, 2)
        for start in np.flatnonzero(second).tolist():
            fitting = np.flatnonzero(third & np.roll(between, start))
            if fitting.size:
                starts = (0, start, int(fitting[0]))
                return [((place + s) % RING_SIZE, s) for place, s in zip(at, starts, strict=True)]
    return None


def reads_alone(patterns: list[Pattern], starts: list[tuple[int, int]]) -> bool:
    """Whether each slot reads each input of its modulus by a weight of its own, and nothing else by any weight."""
    weights: dict[int, tuple[int, int, int]] = {}
    for r, ((slots, inputs), (t, s)) in enumerate(zip(patterns, starts, strict=True)):
        for (o, slot), (i, place) in itertools.product(enumerate(slots.tolist()), enumerate(inputs.tolist())):
            at = (t + slot - s - place) % RING_SIZE
            if at in weights:
                return False
            weights[at] = (r, o, i)
    for (r, (slots, _)), (q, (_, inputs)) in itertools.product(enumerate(patterns), enumerate(patterns)):
        for (o, slot), (i, place) in itertools.product(enumerate(slots.tolist()), enumerate(inputs.tolist())):
            met = weights.get((starts[r][0] + slot - starts[q][1] - place) % RING_SIZE)
            if met is not None and (r != q or met != (r, o, i)):
                return False
    return True


def main() -> int:
    """Print what is found for more and more inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=int, default=10)
    parser.add_argument("--tries", type=int, default=300, help="of starts, for each choice of strides")
    arguments = parser.parse_args()
    outputs = arguments.outputs
    random = np.random.default_rng(0)
    today, interleaved = (LinearLayout(1, outputs, 3, each).run for each in (False, True))
    sys.stdout.write(f"three moduli, {outputs} outputs: {today} inputs in windows, {interleaved} interleaved\n")
    for inputs in range(today, RING_SIZE // (3 * outputs) + 1):
        for strides in itertools.combinations_with_replacement(STRIDES, 3):
            patterns = [pattern(stride, inputs, outputs) for stride in strides]
            starts = search(patterns, arguments.tries, random)
            if starts is not None and reads_alone(patterns, starts):
                sys.stdout.write(f"{inputs} inputs: strides {strides}, starts of slots and inputs {starts}\n")
                sys.stdout.flush()
                break
        else:
            sys.stdout.write(f"{inputs} inputs: none found\n")
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
