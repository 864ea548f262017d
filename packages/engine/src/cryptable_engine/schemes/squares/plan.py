"""Plans: which rotations bring which values to which slots, and what multiplies them there.

A layer is a matrix in diagonals: slot by slot, sum p (of which neuron p mod width is the slot's) gathers the values
that are d slots further, for each of its `diagonals`, d = giant · babies + baby. Babies are rotations of the value; a
giant rotates a sum of products of babies. Then *folds*, rotations by powers of two, add up several slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from cryptable_protocol.schemes.squares.keyset import CHAINS, SquaresKeyset
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.errors import CircuitError, ProgramMismatchError
from cryptable_engine.schemes.squares.network import Network


@dataclass(frozen=True)
class Gather:
    """Rotations of one layer: `diagonals` = babies · giants, then folds by steps that are powers of two."""

    babies: int
    giants: int
    folds: tuple[int, ...]
    swaps: bool
    """Whether the last fold adds the other row of slots."""

    @property
    def diagonals(self) -> int:
        """Rotated positions that are summed."""
        return self.babies * self.giants

    @property
    def rotations(self) -> int:
        """Key switches in all."""
        return self.babies + self.giants - 2 + len(self.folds) + self.swaps

    def keys(self, ring_size: int) -> int:
        """Bits of `SquaresKeyset.rotations`."""
        steps = {1 << bit for bit in range((self.diagonals - 1).bit_length())} | set(self.folds)
        return sum(steps) | (ring_size // 2 if self.swaps else 0)


@dataclass(frozen=True)
class Blocks:
    """How the client lays out its inputs: see SPEC-SQUARES.md, "A row"."""

    block: int
    copies: int
    gather: Gather


_ROTATION, _PRODUCT, _TRANSFORM, _KEY = 1.0, 0.12, 0.2, 0.2
"""Relative costs of a key switch, of a product with a plaintext, of transforming a ciphertext, of one key more."""


def _split(diagonals: int) -> tuple[int, int]:
    """Babies and giants, powers of two: babies are rotated once, and giants too."""
    babies = 1 << (diagonals.bit_length() // 2)
    return babies, diagonals // babies


def _steps(first: int, end: int) -> tuple[int, ...]:
    steps = []
    while first < end:
        steps.append(first)
        first *= 2
    return tuple(steps)


def choose_blocks(ring_size: int, inputs: int, width: int) -> Blocks | None:
    """The cheapest layout of the first layer; None where there is no room.

    More copies mean fewer diagonals and more folds. A copy's diagonals must not reach into the next block unless
    weights there are zero: a block has room for width − 1 inputs more, except where there is one diagonal.
    """
    found: list[tuple[float, Blocks]] = []
    copies = 1
    while copies <= width:
        diagonals = width // copies
        needed = max(width, inputs + (width - 1 if diagonals > 1 else 0))
        block = 1 << (needed - 1).bit_length()
        if block * copies <= ring_size and block <= ring_size // 2:
            babies, giants = _split(diagonals)
            swaps = block * copies == ring_size
            gather = Gather(babies, giants, _steps(width, min(block * copies, ring_size // 2)), swaps)
            cost = _ROTATION * gather.rotations + _PRODUCT * diagonals + _TRANSFORM * (babies + giants)
            found.append((cost + _KEY * gather.keys(ring_size).bit_count(), Blocks(block, copies, gather)))
        copies *= 2
    return min(found, key=lambda pair: pair[0])[1] if found else None


def choose_gathers(ring_size: int, network: Network) -> tuple[Blocks, tuple[Gather, ...]] | None:
    """The layout of the first layer, and the rotations of all that are squared; None where there is no room."""
    blocks = choose_blocks(ring_size, network.inputs, network.widths[0])
    if blocks is None:
        return None
    return blocks, (blocks.gather, *(inner_gather(*pair) for pair in pairwise(network.widths)))


def inner_gather(before: int, width: int) -> Gather:
    """Of a layer whose values repeat every `before` slots."""
    return Gather(*_split(min(before, width)), _steps(width, before), swaps=False)


@dataclass(frozen=True, eq=False)
class Plan:
    """A network under its parameters: for each modulus the same steps, on other plaintexts."""

    network: Network
    parameters: SquaresParameters
    gathers: tuple[Gather, ...]
    """Of all layers but the last."""

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Primes of ciphertexts in each squared layer, and in the last: noise is left, so that fewer do."""
        count, depth = len(self.parameters.keyset.chain.data), len(self.gathers)
        squared = [max(1, count - index) for index in range(depth)]
        return (*squared, min(2, squared[-1]))

    def masks(self, index: int, modulus: int) -> Iterator[tuple[int, int, IntArray]]:
        """Giant, baby and slots of each plaintext of a squared layer that is not zero."""
        gather, layer = self.gathers[index], self.network.layers[index]
        weights = _padded(layer.weights % modulus, self.network.widths[index])
        for giant in range(gather.giants):
            for baby in range(gather.babies):
                slots = self._diagonal(index, weights, giant * gather.babies + baby)
                if slots.any():
                    rolled = np.roll(slots.reshape(2, -1), giant * gather.babies, axis=1)
                    yield giant, baby, rolled.reshape(-1)

    def _diagonal(self, index: int, weights: IntArray, diagonal: int) -> IntArray:
        parameters, width = self.parameters, self.network.widths[index]
        slot = np.arange(parameters.keyset.ring_size)
        if index:
            before = self.network.widths[index - 1]
            place = slot % max(before, width)
            padded = np.pad(weights, ((0, 0), (0, before - weights.shape[1])))
            found: IntArray = padded[place % width, (place + diagonal) % before]
            return found
        place = slot % parameters.block
        start = slot // parameters.block % parameters.copies * parameters.stride + diagonal
        neuron = place % width
        taken = weights[neuron, (place + start) % parameters.inputs]
        kept: IntArray = np.where(place - neuron + start < parameters.inputs, taken, 0)
        return kept

    def bias(self, index: int, modulus: int) -> IntArray:
        """Slots of a squared layer's offset."""
        width = self.network.widths[index]
        offset = np.zeros(width, np.int64)
        offset[: len(self.network.layers[index].offset)] = self.network.layers[index].offset % modulus
        slots: IntArray = offset[np.arange(self.parameters.keyset.ring_size) % width]
        return slots

    def last_mask(self, modulus: int) -> IntArray:
        """Slots of the last layer's weights: window after window, one output each."""
        weights = self.network.layers[-1].weights % modulus
        window, half = self.parameters.window, self.parameters.classes // 2
        rows = np.zeros((self.parameters.classes // window, window), np.int64)
        rows[: weights.shape[0], : weights.shape[1]] = weights
        slots = np.zeros((2, self.parameters.keyset.ring_size // 2), np.int64)
        slots[:, :half] = rows.reshape(2, half)
        return slots.reshape(-1)


def _padded(weights: IntArray, width: int) -> IntArray:
    return np.pad(weights, ((0, width - weights.shape[0]), (0, 0)))


def keyset_of(number: int, gathers: tuple[Gather, ...]) -> SquaresKeyset:
    """With keys for just the rotations of these layers."""
    rotations = 0
    for gather in gathers:
        rotations |= gather.keys(CHAINS[number].ring_size)
    return SquaresKeyset(number, rotations)


def make_plan(network: Network, parameters: SquaresParameters, highest_output: int) -> Plan:
    """The plan of a network for rows that are laid out by `parameters`.

    Raises:
        CircuitError: weights that vanish modulo one of the moduli.
        ProgramMismatchError: the parameters are of another network.
    """
    first, *inner = network.widths
    ring = parameters.keyset.ring_size
    diagonals = max(1, first // parameters.copies)
    size = parameters.block * parameters.copies
    gathers = (
        Gather(*_split(diagonals), _steps(first, min(size, ring // 2)), swaps=size == ring),
        *(inner_gather(before, width) for before, width in zip(network.widths, inner, strict=False)),
    )
    room = network.inputs + (first - 1 if diagonals > 1 else 0)
    for what, compiled, promised in (
        ("inputs", network.inputs, parameters.inputs),
        ("outputs", network.outputs, parameters.outputs),
        ("window", network.widths[-1], parameters.window),
        ("stride", diagonals, parameters.stride),
        ("rotations", keyset_of(parameters.keyset.number, gathers).rotations, parameters.keyset.rotations),
    ):
        if compiled != promised:
            raise _mismatch(what, compiled, promised)
    if highest_output > parameters.maximum:
        raise _mismatch("outputs up to", highest_output, parameters.maximum)
    if parameters.copies > first or parameters.block < max(first, room):
        raise _mismatch("blocks of at least", max(first, room), parameters.block)
    plan = Plan(network, parameters, gathers)
    for modulus in parameters.moduli:
        layer = network.vanishes(modulus)
        if layer is not None:
            raise CircuitError(f"all weights of layer {layer} are multiples of {modulus}; use a finer scale")
    return plan


def _mismatch(what: str, compiled: object, promised: object) -> ProgramMismatchError:
    return ProgramMismatchError(
        f"program: the circuit compiles to {what} {compiled}, its client spec promises {promised}; "
        "compile the model again with this version"
    )
