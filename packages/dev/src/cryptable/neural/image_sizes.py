"""Images that are too small for a block of convolution and pooling, told by the arguments that made it so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryptable_protocol import InvalidInputError


@contextmanager
def fits(image_shape: tuple[int, int, int], block: int, kernel_size: int, pool_size: int) -> Iterator[None]:
    """Around a block's first use; raises InvalidInputError where torch finds nothing left of an image."""
    try:
        yield
    except RuntimeError as error:
        raise InvalidInputError(
            f"images of {image_shape[1]} x {image_shape[2]} pixels are too small for block {block + 1} "
            f"with kernel_size={kernel_size} and pool_size={pool_size}; use fewer blocks, or smaller ones of these"
        ) from error
