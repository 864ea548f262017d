"""Rows together: specifications and tensors, and packed answers read (SPEC-LEVELLED.md, "Rows together")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from cryptable_protocol.messages import client_spec, tensor

from vectors import levelled
from vectors.vector import Accepted, Rejected, canonical, changed, put

ROWS, SHARE = 7, 3


def batch(rows_per_answer: int = 0) -> client_spec.BatchSpec:
    """Of the model of client_spec.levelled.bin: its placed elements have leaves."""
    found = client_spec.BatchSpec(rows=ROWS, levelled=levelled.PARAMETERS, rows_per_answer=rows_per_answer)
    put(found.levelled, leaves=[1, 4], placed=[])
    return found


def accepted() -> list[Accepted]:
    """Messages to accept."""
    return [
        Accepted("batch_spec", "levelled", "seven rows together, with an answer each", canonical(batch()), _facts(0)),
        Accepted("batch_spec", "packed", "three of them share an answer", canonical(batch(SHARE)), _facts(SHARE)),
        Accepted("ring_tensor", "packed", "seven rows, three an answer", canonical(_row()), {"bytes": 9216}),
    ]


def _facts(share: int) -> dict[str, Any]:
    sizes = [min(share or 1, ROWS - first) for first in range(0, ROWS, share or 1)]
    return {
        "client_spec": "accept/client_spec.levelled.bin",
        "rows": ROWS,
        "rows_per_answer": share,
        "answer_bytes": sum(3584 + -(-size * 6 * 14 // 8) for size in sizes),
    }


def _row() -> tensor.EncryptedTensor:
    return tensor.EncryptedTensor(
        seed=bytes(range(16)), polynomials=Random(3).randbytes(9216), rows=ROWS, rows_per_answer=SHARE
    )


def rejected() -> Iterator[Rejected]:
    """Messages to refuse, for the model of client_spec.levelled.bin."""
    cases: dict[str, tuple[str, Callable[[client_spec.BatchSpec], object]]] = {
        "one_row": ("a single row", lambda message: put(message, rows=1, rows_per_answer=0)),
        "many_rows": ("more than 2048 leaves", lambda message: put(message, rows=342)),
        "places": ("placed elements", lambda message: put(message.levelled, placed=[2])),
        "outputs": ("another number of outputs", lambda message: put(message.levelled, outputs=1)),
        "maximum": ("another highest output", lambda message: put(message.levelled, maximum=399)),
        "no_parameters": ("no parameters", lambda message: message.ClearField("levelled")),
        "packed_alone": ("one row an answer", lambda message: put(message, rows_per_answer=1)),
        "packed_beyond_rows": ("more rows an answer than rows", lambda message: put(message, rows_per_answer=8)),
        "packed_slots": (
            "more slots an answer than stay hidden",
            lambda message: put(message, rows=22, rows_per_answer=22),
        ),
    }
    for name, (why, change) in cases.items():
        yield Rejected("batch_spec", name, why, changed(batch(SHARE), change), "fields")
    yield Rejected("encrypted_tensor", "packed", "rows together, of another scheme", _lone_share(), "fields")


def _lone_share() -> bytes:
    return canonical(tensor.EncryptedTensor(seed=bytes(16), bodies=bytes(8), rows_per_answer=2))


def figures() -> dict[str, Any]:
    """What rows encrypt, and packed answers read, for protos/vectors/levelled.json."""
    trits = levelled.secret()
    bits = [[1, 1, 0, 1, 1], [0, 1, 0, 0, 1]]
    return {
        "client_spec": "accept/client_spec.levelled.bin",
        "batch_spec": "accept/batch_spec.packed.bin",
        "bits": bits,
        # [coefficient, binary exponent] of the leaves that are on: twelve, 128 apart, six a row.
        "message": _message(bits),
        "answers": [_read(trits, number, rows) for number, rows in enumerate((1, 3, 5))],
    }


def _message(rows: list[list[int]]) -> list[list[int]]:
    leaves = [(0, 8), (0, 16), (3, 8), (3, 16), (1, 14), (4, 14)]
    count, depth, found = len(rows) * len(leaves), 4, []
    for place, (row, (bit, scale)) in enumerate((row, leaf) for row in rows for leaf in leaves):
        doublings = sum(place % 2**level + 2**level < count for level in range(depth))
        if row[bit]:
            found.append([place * 128, -scale - doublings])
    return found


def _read(secret: list[int], number: int, rows: int) -> dict[str, Any]:
    random, data, values = Random(200 + number), b"", []
    for first in range(0, rows, SHARE):
        count = min(SHARE, rows - first)
        part = random.randbytes(3584) + levelled.packed([random.randrange(1 << 14) for _ in range(count * 6)], 14)
        values += levelled.values_of(secret, part, count)
        data += part
    return {"rows": rows, "polynomials": data.hex(), "values": values}
