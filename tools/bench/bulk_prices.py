"""Microseconds of what rows in bulk are priced by, measured for each chain of primes: `bulk/program.py` has them.

python tools/bench/bulk_prices.py [--chain 4] [--times 7]

CPU of this process, one thread: the least of several times, since others use the machine too. The key is one of random
words, which takes as long as any.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
from cryptable_engine.schemes.squares.rings.seal import SealRing
from cryptable_engine.schemes.squares.wire import residues, rounded
from cryptable_protocol.schemes.packing import pack
from cryptable_protocol.schemes.squares.answers import MOST_ANSWER_BITS
from cryptable_protocol.schemes.squares.keyset import CHAINS, SquaresKeyset, packed_polynomial_bytes
from cryptable_protocol.schemes.squares.mask_stream import masks


def least(work: Callable[[], object], times: int) -> int:
    """Microseconds."""
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return round(1e6 * min(found))


def measure(number: int, times: int) -> None:
    """Print the figures of a chain."""
    chain, random = CHAINS[number], np.random.default_rng(0)
    size = chain.ring_size
    ring = SealRing(chain, 65537)

    def words(primes: tuple[int, ...]) -> npt.NDArray[np.int64]:
        return np.stack([random.integers(0, prime, size) for prime in primes])

    keyset = SquaresKeyset(number, 0)
    keys = ring.keys(keyset, [np.stack([words(chain.primes) for _ in range(2)]) for _ in range(keyset.rows + 1)])
    one, other = (ring.ciphertext(words(chain.data), words(chain.data)) for _ in range(2))
    packed = memoryview(bytes(packed_polynomial_bytes(size, chain.data)))

    def element() -> None:
        body = residues(packed, chain.data, size, "row")
        ring.ciphertext(body, masks(bytes(16), 0, chain.data, size))

    def output() -> None:
        hidden, prime = ring.zero(keys), chain.data[0]
        for _ in range(2):
            pack(rounded(ring.words(hidden, range(size)), prime, MOST_ANSWER_BITS), MOST_ANSWER_BITS)

    print(f"chain {number}, N = {size}: an element {least(element, times)}, an output {least(output, times)}")
    for level in range(len(chain.data), 0, -1):
        first, second = ring.switched(one, level), ring.switched(other, level)
        total = ring.scaled(first, 3)
        product = least(lambda: ring.multiplied(first, second, level, keys), times)  # noqa: B023
        read = least(lambda: ring.add(total, ring.scaled(first, 12345)), times)  # noqa: B023
        print(f"  at {level} primes: a product {product}, a column that is read {read}", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chain", type=int, choices=sorted(CHAINS), help="this one alone")
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()
    for number in sorted(CHAINS) if options.chain is None else [options.chain]:
        measure(number, options.times)


if __name__ == "__main__":
    main()
