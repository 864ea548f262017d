"""Ways: how rows travel to a server, each alone or several together, by what bytes and seconds they take."""

from __future__ import annotations

from cryptable_protocol.schemes.scheme import Batch


def rows_in_a_tensor(rows: int, batch: Batch | None, *, is_near: bool, wanted: bool | None) -> int:
    """How many rows travel in each tensor; 0 for each alone.

    Rows that travel together take a few times fewer bytes, and up to twice the seconds of CPU on the server, where one
    core evaluates those of a tensor. So they do wherever bytes take time, in tensors as full as each other.

    Args:
        rows: to evaluate.
        batch: how the server takes rows together; None where it does not.
        is_near: the server is this very machine, where bytes take no time.
        wanted: True or False of who knows better; None to decide.
    """
    if batch is None or rows < 2 or wanted is False or (wanted is None and is_near):
        return 0
    tensors = -(-rows // batch.most_rows)
    return -(-rows // tensors)
