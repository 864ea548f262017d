"""Whether a circuit and a client specification are of one model."""

from __future__ import annotations

from cryptable_protocol import (
    AffineEncoder,
    BitsEncoder,
    CategoricalEncoder,
    ClientSpec,
    CurvesEncoder,
    DigitsEncoder,
    FeatureEncoder,
    PolylineEncoder,
    QuadraticEncoder,
    ThermometerEncoder,
)
from cryptable_protocol.encoding.bits_encoder import BitsPart

from cryptable_engine.circuit.bounds import Bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit, GroupKind, InputGroup
from cryptable_engine.errors import CircuitError


def check_agreement(circuit: Circuit, found: tuple[Bounds, ...], spec: ClientSpec) -> None:
    """Whether what clients encode is what a circuit reads, and what it returns is what they decode.

    Args:
        circuit: verified.
        found: bounds of its nodes.
        spec: of any scheme.

    Raises:
        CircuitError: names the node and what differs.
    """
    groups = circuit.input.groups
    encoded = [(encoder.name, group) for encoder in spec.features if encoder.size for group in _groups_of(encoder)]
    if len(groups) != len(encoded):
        raise CircuitError(f"{len(groups)} input groups, the client spec encodes {len(encoded)}", node=0)
    for number, (group, (name, expected)) in enumerate(zip(groups, encoded, strict=True)):
        if group != expected:
            raise CircuitError(
                f"input group {number} is {_describe(group)}, but feature {name!r} encodes to {_describe(expected)}",
                node=0,
            )
    size = circuit.nodes[circuit.output].size
    if size != spec.parameters.outputs:
        raise CircuitError(
            f"{size} output elements, the client spec has {spec.parameters.outputs}", node=circuit.output
        )
    highest = highest_output(circuit, found)
    if circuit.exact_output_bits is not None:
        read = spec.parameters.output_bits + spec.decoder.further_bits
        if spec.parameters.output_bits != circuit.exact_output_bits or read > highest.bit_length():
            raise CircuitError(
                f"{circuit.exact_output_bits} exact bits of outputs up to {highest}, the client spec has "
                f"{spec.parameters.output_bits} and reads {spec.decoder.further_bits} further ones",
                node=circuit.output,
            )
    elif spec.decoder.further_bits:
        raise CircuitError(
            f"all bits of its outputs are exact, the client spec reads {spec.decoder.further_bits} further ones",
            node=circuit.output,
        )
    elif highest >= 1 << spec.parameters.output_bits:
        raise CircuitError(
            f"outputs up to {highest}, the client spec has {spec.parameters.output_bits} bits", node=circuit.output
        )


def _groups_of(encoder: FeatureEncoder) -> tuple[InputGroup, ...]:
    match encoder:
        case ThermometerEncoder() | CategoricalEncoder():
            return (InputGroup(GroupKind.THERMOMETER, encoder.size),)
        case AffineEncoder() | PolylineEncoder() | QuadraticEncoder():
            return (InputGroup(GroupKind.RANGE, encoder.size, encoder.maximum),)
        case CurvesEncoder():
            return tuple(InputGroup(GroupKind.RANGE, 1, curve.maximum) for curve in encoder.curves)
        case DigitsEncoder():
            return (InputGroup(GroupKind.RANGE, encoder.size),)
        case BitsEncoder():
            return tuple(map(_group_of_part, encoder.parts, encoder.sizes))
        case _:
            raise CircuitError(f"feature {encoder.name!r} has an encoder that no input group stands for", node=0)


def _group_of_part(part: BitsPart, size: int) -> InputGroup:
    is_thermometer = isinstance(part, ThermometerEncoder | CategoricalEncoder)
    return InputGroup(GroupKind.THERMOMETER if is_thermometer else GroupKind.RANGE, size)


def _describe(group: InputGroup) -> str:
    return f"{group.kind.name} of {group.size} element(s) up to {group.maximum}"
