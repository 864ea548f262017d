"""Distillation: a network learns a fitted model's scores of rows that need no labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from cryptable_protocol import InvalidInputError
from sklearn.utils import check_random_state
from torch import Tensor, nn

from cryptable.graphs.graph import FloatArray

DEFAULT_HELD_OUT = 0.2
"""Of the rows, on which network and teacher are compared."""


_SHARPER = 3.0
"""By how much less scores are softened where the likely label alone is taught. Tried on digits: margins of a support
vector machine teach 0.94 of its labels without it and 0.99 with it, with any of 1 to 3."""


class Softened(nn.Module):
    """Cross-entropy between the labels that scores of both make likely, when divided by a temperature.

    As Hinton, Vinyals and Dean have it (Distilling the Knowledge in a Neural Network, 2015, section 2), their second
    term, of labels, being of the teacher's likely label. Divided by the scores' own deviation, differences between
    unlikely labels teach as well as the likely one does, whatever the unit.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, scores: Tensor, taught: Tensor) -> Tensor:
        """Both of shape (rows, outputs): one of two classes, else one a class."""
        scores, taught = scores / self.temperature, taught / self.temperature
        sharp = scores * _SHARPER
        if scores.shape[1] == 1:
            likely = (taught > 0).to(scores.dtype)
            soft = nn.functional.binary_cross_entropy_with_logits(scores, torch.sigmoid(taught))
            return soft + nn.functional.binary_cross_entropy_with_logits(sharp, likely)
        soft = nn.functional.cross_entropy(scores, torch.softmax(taught, dim=1))
        return soft + nn.functional.cross_entropy(sharp, taught.argmax(dim=1))


def softened(taught: FloatArray) -> Softened:
    """By the deviation of scores of shape (rows, outputs)."""
    centred = taught - taught.mean(axis=1, keepdims=True) if taught.shape[1] > 1 else taught
    return Softened(float(np.sqrt(np.square(centred).mean())) or 1.0)


def split(count: int, held_out: float, random_state: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:  # noqa: ANN401
    """Numbers of the rows to train on, and of those that are held out.

    Raises:
        InvalidInputError: one of them would be none.
    """
    most = round(held_out * count)
    if not 0 < most < count:
        raise InvalidInputError(
            f"held_out is {held_out}, which is {most} of {count} rows; expected a fraction that leaves rows to both"
        )
    order = check_random_state(random_state).permutation(count)
    return order[most:], order[:most]
