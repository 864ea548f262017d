"""Generates protos/vectors: bytes that every reader must accept, and bytes that every reader must refuse.

python tools/generate_vectors.py           write them
python tools/generate_vectors.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from vectors import (
    accept_sums,
    convolution,
    curves,
    levelled,
    linear,
    links,
    reject_circuit,
    reject_client_spec,
    reject_others,
    reject_sums,
    rotation,
    several_kinds,
    squares,
    together,
)
from vectors.accept import accepted
from vectors.mask_words import mask_words
from vectors.vector import Accepted, Rejected

TARGET = Path(__file__).resolve().parent.parent / "protos/vectors"


def files() -> dict[str, bytes]:
    """Content of every file, by its path below `TARGET`."""
    rejected = [
        *reject_client_spec.rejected(),
        *reject_sums.rejected(),
        *reject_circuit.rejected(),
        *reject_others.rejected(),
        *convolution.rejected(),
        *curves.rejected(),
        *levelled.rejected(),
        *linear.rejected(),
        *rotation.rejected(),
        *several_kinds.rejected(),
        *squares.rejected(),
        *together.rejected(),
    ]
    return {
        **_folder(
            "accept",
            [
                *accepted(),
                *accept_sums.accepted(),
                *convolution.accepted(),
                *curves.accepted(),
                *levelled.accepted(),
                *linear.accepted(),
                *rotation.accepted(),
                *several_kinds.accepted(),
                *squares.accepted(),
                *together.accepted(),
            ],
        ),
        **_folder("reject", rejected),
        "mask_stream.json": _json(mask_words()),
        "levelled.json": _json({**levelled.figures(), "linear": linear.figures(), "together": together.figures()}),
        "links.json": _json(links.figures()),
    }


def _folder(name: str, vectors: Sequence[Accepted] | Sequence[Rejected]) -> dict[str, bytes]:
    content = {f"{name}/{vector.entry()['file']}": vector.data for vector in vectors}
    if len(content) != len(vectors) or len({(vector.type, vector.data) for vector in vectors}) != len(vectors):
        raise ValueError(f"{name}: two vectors have one name or one content")
    content[f"{name}/index.json"] = _json([vector.entry() for vector in vectors])
    return content


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    expected = files()
    present = {path.relative_to(TARGET).as_posix() for path in TARGET.rglob("*") if path.is_file()}
    if parser.parse_args().check:
        different = sorted(
            name
            for name in present | expected.keys()
            if name not in present or (TARGET / name).read_bytes() != expected.get(name)
        )
        for name in different:
            print(f"protos/vectors/{name} is not what tools/vectors makes: run `make protos`", file=sys.stderr)
        return 1 if different else 0
    for name in present - expected.keys():
        (TARGET / name).unlink()
    for name, content in expected.items():
        path = TARGET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
