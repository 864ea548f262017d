"""Plans: which rotations bring which values to which slots, and what multiplies them there.

A layer is a matrix in diagonals: slot by slot, sum p (of which neuron p mod width is the slot's) gathers the values
that are d slots further, for each of its `diagonals`, d = giant · babies + baby. Babies are rotations of the value; a
giant rotates a sum of products of babies. Then *folds*, rotations by powers of two, add up several slots.

A convolution is a matrix between blocks of slots, one for each tap of a window and one for each filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from cryptable_protocol.schemes.squares.keyset import CHAINS, SquaresKeyset
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from cryptable_protocol.schemes.squares.windows import Windows

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.errors import CircuitError, ProgramMismatchError
from cryptable_engine.schemes.squares.network import Network


@dataclass(frozen=True)
class Gather:
    """Rotations of one layer: `diagonals` = babies · giants, `unit` slots apart, then folds by powers of two."""

    babies: int
    giants: int
    folds: tuple[int, ...]
    swaps: bool
    """Whether the last fold adds the other row of slots."""
    unit: int = 1

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
        steps = {self.unit << bit for bit in range((self.diagonals - 1).bit_length())} | set(self.folds)
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
    if network.windows is not None:
        blocks = window_blocks(network, network.windows)
        if blocks.block * blocks.copies > ring_size // 2:
            return None
    else:
        found = choose_blocks(ring_size, network.inputs, network.widths[0])
        if found is None:
            return None
        blocks = found
    if max(network.widths) > ring_size // 2:
        return None
    return blocks, (blocks.gather, *inner_gathers(network))


def window_blocks(network: Network, windows: Windows) -> Blocks:
    """A block for each tap; a filter's block gathers those of the next taps."""
    block, width = network.block, network.widths[0]
    copies = 1 << (windows.taps - 1).bit_length()
    return Blocks(block, copies, inner_gather(copies * block, width, unit=block))


def inner_gather(before: int, width: int, *, swaps: bool = False, unit: int = 1) -> Gather:
    """Of a layer whose values repeat every `before` slots."""
    return Gather(*_split(min(before, width) // unit), _steps(width, before), swaps, unit)


def inner_gathers(network: Network) -> tuple[Gather, ...]:
    """Of all squared layers but the first."""
    return tuple(
        inner_gather(before.width, after.width, swaps=before.rows_differ)
        for before, after in pairwise(network.arrangements)
    )


@dataclass(frozen=True)
class Flooding:
    """Noise that answers are drowned in (docs/decisions/0059)."""

    bits: int
    """Two answers with the same outputs differ by a statistical distance of 2^-bits at most."""
    magnitudes: tuple[int, ...]
    """log2 of it, by modulus."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A network under its parameters: for each modulus the same steps, on other plaintexts."""

    network: Network
    parameters: SquaresParameters
    gathers: tuple[Gather, ...]
    """Of all layers but the last."""
    flooding: Flooding | None = None

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Primes of ciphertexts in each squared layer, and in the last: noise is left, so that fewer do.

        Flooding takes place in the last, which therefore has one more.
        """
        count, depth = len(self.parameters.keyset.chain.data), len(self.gathers)
        squared = [max(1, count - index) for index in range(depth)]
        return (*squared, min(2 if self.flooding is None else 3, squared[-1]))

    def flood(self, modulus: int) -> int | None:
        """log2 of the greatest of what floods the answer's coefficients modulo one modulus; None where nothing does."""
        return None if self.flooding is None else self.flooding.magnitudes[self.parameters.moduli.index(modulus)]

    def masks(self, index: int, modulus: int) -> Iterator[tuple[int, int, IntArray]]:
        """Giant, baby and slots of each plaintext of a squared layer that is not zero."""
        gather, arranged = self.gathers[index], self._arranged(index, modulus)
        for giant in range(gather.giants):
            for baby in range(gather.babies):
                slots = self._diagonal(index, arranged, giant * gather.babies + baby)
                if slots.any():
                    rolled = np.roll(slots, giant * gather.babies * gather.unit, axis=1)
                    yield giant, baby, rolled.reshape(-1)

    def _arranged(self, index: int, modulus: int) -> IntArray:
        """Weights by slot of the layer and slot of what it reads, shape (1 or 2, width, width before).

        Those of a first layer are by input, and those of a convolution by filter and tap, as wide as its blocks.
        """
        weights, after = self.network.layers[index].weights % modulus, self.network.arrangements[index]
        if index:
            return _padded(self.network.arrangements[index - 1].of(weights), after.width)
        if self.network.windows is None:
            return _padded(weights[None], after.width)
        filters = after.elements[:, :: self.network.block] // self.network.windows.places
        kernel = np.pad(weights, ((0, 1), (0, self.parameters.copies - weights.shape[1])))
        arranged: IntArray = kernel[filters]  # NOTHING reads the row of zeros
        return arranged

    def _diagonal(self, index: int, weights: IntArray, diagonal: int) -> IntArray:
        """Shape (2, N / 2)."""
        parameters, width = self.parameters, self.network.widths[index]
        slot = np.arange(parameters.keyset.ring_size).reshape(2, -1)
        row = np.arange(2)[:, None] % len(weights)
        if index:
            before = weights.shape[2]
            place = slot % max(before, width)
            found: IntArray = weights[row, place % width, (place + diagonal) % before]
            return found
        if self.network.windows is not None:
            block = slot // parameters.block
            tapped = weights[row, block % weights.shape[1], (block + diagonal) % parameters.copies]
            shared: IntArray = np.where(slot % parameters.block < self.network.windows.places, tapped, 0)
            return shared
        place = slot % parameters.block
        start = slot // parameters.block % parameters.copies * parameters.stride + diagonal
        neuron = place % width
        taken = weights[0, neuron, (place + start) % parameters.inputs]
        kept: IntArray = np.where(place - neuron + start < parameters.inputs, taken, 0)
        return kept

    def bias(self, index: int, modulus: int) -> IntArray:
        """Slots of a squared layer's offset."""
        offset = self.network.layers[index].offset % modulus
        return self.network.arrangements[index].slots(offset, self.parameters.keyset.ring_size)

    def last_mask(self, modulus: int) -> IntArray:
        """Slots of the last layer's weights: window after window, one output each."""
        weights = self.network.layers[-1].weights % modulus
        window, half = self.parameters.window, self.parameters.classes // 2
        rows = np.zeros((self.parameters.classes // window, window), np.int64)
        rows[: weights.shape[0]] = self.network.arrangements[-1].of(weights)[0]
        slots = np.zeros((2, self.parameters.keyset.ring_size // 2), np.int64)
        slots[:, :half] = rows.reshape(2, half)
        return slots.reshape(-1)


def _padded(weights: IntArray, width: int) -> IntArray:
    """With a second axis of so many entries."""
    return np.pad(weights, ((0, 0), (0, width - weights.shape[1]), (0, 0)))


def keyset_of(number: int, gathers: tuple[Gather, ...]) -> SquaresKeyset:
    """With keys for just the rotations of these layers."""
    rotations = 0
    for gather in gathers:
        rotations |= gather.keys(CHAINS[number].ring_size)
    return SquaresKeyset(number, rotations)


def _first_gather(network: Network, parameters: SquaresParameters) -> Gather:
    """Of the first layer, for rows that are laid out by `parameters`; raises ProgramMismatchError where they differ."""
    if network.windows is not None:
        blocks = window_blocks(network, network.windows)
        for what, compiled, promised in (
            ("blocks of", blocks.block, parameters.block),
            ("copies", blocks.copies, parameters.copies),
        ):
            if compiled != promised:
                raise _mismatch(what, compiled, promised)
        return blocks.gather
    first, ring = network.widths[0], parameters.keyset.ring_size
    diagonals = max(1, first // parameters.copies)
    if diagonals != parameters.stride:
        raise _mismatch("stride", diagonals, parameters.stride)
    room = max(first, network.inputs + (first - 1 if diagonals > 1 else 0))
    if parameters.copies > first or parameters.block < room:
        raise _mismatch("blocks of at least", room, parameters.block)
    size = parameters.block * parameters.copies
    return Gather(*_split(diagonals), _steps(first, min(size, ring // 2)), swaps=size == ring)


def make_plan(network: Network, parameters: SquaresParameters, highest_output: int) -> Plan:
    """The plan of a network for rows that are laid out by `parameters`.

    Raises:
        CircuitError: weights that vanish modulo one of the moduli.
        ProgramMismatchError: the parameters are of another network.
    """
    gathers = (_first_gather(network, parameters), *inner_gathers(network))
    for what, compiled, promised in (
        ("inputs", network.inputs, parameters.inputs),
        ("outputs", network.outputs, parameters.outputs),
        ("window", network.widths[-1], parameters.window),
        ("windows", network.windows, parameters.windows),
        ("rotations", keyset_of(parameters.keyset.number, gathers).rotations, parameters.keyset.rotations),
    ):
        if compiled != promised:
            raise _mismatch(what, compiled, promised)
    if highest_output > parameters.maximum:
        raise _mismatch("outputs up to", highest_output, parameters.maximum)
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
