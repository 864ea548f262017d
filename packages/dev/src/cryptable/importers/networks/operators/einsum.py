"""Einsum: of one encrypted tensor, with constants."""

from __future__ import annotations

import string

import numpy as np
from onnx import helper
from scipy.sparse import csr_array, vstack  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Value, is_encrypted
from cryptable.importers.networks.operators.arithmetic import required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner

_AT_ONCE = 256


@operator("Einsum", kind="linear", note="all operands but one are constant")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """A linear map of the encrypted operand: what it makes of one element after the other."""
    operands = required(inputs)
    places = [place for place, value in enumerate(operands) if is_encrypted(value)]
    if len(places) > 1:
        raise UnsupportedModelError(
            "it multiplies two encrypted tensors, at two lookups a product; use weights that are constants"
        )
    (place,) = places
    tensor = tracer.affine(operands[place])
    equation = next(helper.get_attribute_value(each) for each in runner.node.attribute if each.name == "equation")
    batched = _with_batch(equation.decode().replace(" ", ""), place)
    columns = []
    for start in range(0, tensor.size, _AT_ONCE):
        count = min(_AT_ONCE, tensor.size - start)
        basis = np.eye(count, tensor.size, start).reshape(count, *tensor.shape)
        given = [basis if index == place else np.asarray(value, np.float64) for index, value in enumerate(operands)]
        found = np.einsum(batched, *given, optimize=True)
        columns.append(csr_array(found.reshape(count, -1)))
    matrix = csr_array(vstack(columns, format="csr").T)
    return [tensor.mapped(matrix, found.shape[1:])]


def _with_batch(equation: str, place: int) -> str:
    """The equation for several operands of this place at once, along a first axis of its own."""
    given, arrow, made = equation.partition("->")
    if not arrow:  # axes that stand once, in the order of their letters
        made = "".join(sorted(each for each in set(given) if each.isalpha() and given.count(each) == 1))
        made = ("..." if "..." in given else "") + made
    letter = next(each for each in string.ascii_letters if each not in equation)
    terms = given.split(",")
    terms[place] = letter + terms[place]
    return f"{','.join(terms)}->{letter}{made}"
