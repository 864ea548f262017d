"""The kernel's package alone: a product by the library, or word that there is none, which `native` makes a failure."""

import sys

import numpy as np
from cryptable_kernel import KernelUnavailable, Ring, aligned, open_kernel

SIZE = 1024
try:
    kernel = open_kernel()
except KernelUnavailable as missing:
    sys.exit(str(missing) if "native" in sys.argv else 0)
ring = Ring(kernel, SIZE)
monomial, pair, product = aligned(SIZE), aligned(1, 2, SIZE), aligned(2, SIZE)
monomial[1], pair[0, 0, 1], pair[0, 1, SIZE - 1] = 2, 3, 5
ring.pairs(pair, ring.scratch())
ring.add_multiple(monomial, pair[0], product, ring.scratch())
expected = np.zeros((2, SIZE))
expected[0, 2], expected[1, 0] = 6, -10  # X^N is -1
np.testing.assert_allclose(product, expected, atol=1e-9)
