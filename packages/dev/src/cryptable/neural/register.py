"""Register: the part of a network that becomes lookups: sums rounded to the bits that are kept, then an activation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cryptable.neural.activations import ActivationChoice, find_activation, on_ring
from cryptable.neural.quantizers import floor_ste, unsigned_values, whole_positions


class Register(nn.Module):
    """Sums of shape (rows, channels, ...) to activations from -1 to 1 in steps of 2^(1 - value_bits).

    Sums are multiples of 2^-dropped_bits; whole numbers are positions on a ring of 2^(kept_bits + 1): `activations`.
    Training sees exactly the rounding that a lookup does. The bias is a multiple and a half, so that no sum lies on the
    border between two positions: rounding half to even and rounding half up are then the same.
    """

    def __init__(
        self, channels: int, *, kept_bits: int, activation: ActivationChoice, value_bits: int, dropped_bits: int
    ) -> None:
        super().__init__()
        self.kept_bits, self.value_bits, self.dropped_bits = kept_bits, value_bits, dropped_bits
        self.activation = find_activation(activation)
        self.bias = nn.Parameter(torch.empty(channels))
        self.positions = whole_positions()
        self.values = unsigned_values(value_bits + 1, 1.0)
        quarter = float(1 << kept_bits) / 2
        nn.init.uniform_(self.bias, -quarter, quarter)

    @property
    def mirror(self) -> int:
        """Of the tables: the highest value, an even number."""
        return 1 << self.value_bits

    def whole_bias(self) -> Tensor:
        """The bias in units of 2^-dropped_bits, rounded down."""
        floored: Tensor = floor_ste(self.bias * (1 << self.dropped_bits))
        return floored

    def table(self) -> Tensor:
        """The integers that a lookup returns, shape (2^kept_bits,)."""
        entries = on_ring(self.activation, torch.arange(1 << self.kept_bits), self.kept_bits) * self.mirror
        return torch.round(entries).to(torch.int64)

    def forward(self, sums: Tensor) -> Tensor:
        """See the class."""
        bias = (self.whole_bias() + 0.5) / (1 << self.dropped_bits)
        sums = sums + bias.reshape(-1, *(1 for _ in sums.shape[2:]))
        value = on_ring(self.activation, self.positions(sums), self.kept_bits)
        levels: Tensor = self.values(value * self.mirror)
        return levels * (2.0 / self.mirror) - 1
