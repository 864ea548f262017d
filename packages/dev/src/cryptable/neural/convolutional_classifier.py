"""QuantConvNetClassifier: a small convolutional network with the interface of a scikit-learn classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from cryptable_protocol import InvalidInputError
from sklearn.utils.validation import validate_data

from cryptable.graphs.graph import FloatArray
from cryptable.neural.activations import ActivationChoice
from cryptable.neural.base import Callbacks, Parameters, Rows, Target
from cryptable.neural.classifying import ClassWeight, QuantClassifier
from cryptable.neural.convolutional_network import QuantConvNetwork
from cryptable.neural.network import QuantNetwork
from cryptable.neural.squared_network import SQUARE, Convolutions


class QuantConvNetClassifier(QuantClassifier):
    """Convolutions, pooled before their activation, and a linear layer. Raw pixels go in: scaling is built in.

    Args:
        channels: of each block of convolution, pooling and activation.
        kernel_size: side of the convolutions.
        pool_size: side of the windows that are averaged before the activation; 1 for none.
        stride: pixels between a convolution's windows.
        padding: pixels around an image, which stand for the middle of their range.
        hidden_layer_sizes: of fully connected layers behind the blocks.
        image_shape: (height, width) or (channels, height, width) of rows that come flat; square with one channel by
            default. Rows of more dimensions have their own.

    All others, and the attributes, are those of `QuantNeuralNetClassifier`; all pixels share one range.

    With activation="square" the first block of convolutions shares its weights under encryption, by the client's
    layout: its places times its weights, each rounded up to a power of two, are at most 8192. Later blocks are
    matrices. A stride costs nothing, and makes places fewer. A network for MNIST is that of channels=(8,),
    kernel_size=5, stride=2, padding=2, pool_size=1, hidden_layer_sizes=(100,), input_bits=2, weight_bits=2,
    output_weight_bits=3.
    """

    pixels: ClassVar[bool] = True

    def __init__(
        self,
        channels: Sequence[int] = (8,),
        *,
        kernel_size: int = 3,
        pool_size: int = 2,
        stride: int = 1,
        padding: int = 0,
        hidden_layer_sizes: Sequence[int] = (),
        image_shape: tuple[int, ...] | None = None,
        activation: ActivationChoice = "triangle",
        kept_bits: int = 3,
        input_bits: int = 4,
        weight_bits: int = 6,
        value_bits: int = 3,
        output_weight_bits: int = 5,
        power_of_two_scales: bool = False,
        max_active_weights: int | None = None,
        max_epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        weight_decay: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        class_weight: ClassWeight = None,
        callbacks: Callbacks = None,
        skorch_params: Parameters | None = None,
        random_state: Any = None,  # noqa: ANN401
        verbose: int = 0,
    ) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.pool_size = pool_size
        self.stride = stride
        self.padding = padding
        self.hidden_layer_sizes = hidden_layer_sizes
        self.image_shape = image_shape
        self.activation = activation
        self.kept_bits = kept_bits
        self.input_bits = input_bits
        self.weight_bits = weight_bits
        self.value_bits = value_bits
        self.output_weight_bits = output_weight_bits
        self.power_of_two_scales = power_of_two_scales
        self.max_active_weights = max_active_weights
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.skorch_params = skorch_params
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Rows, y: Target) -> Self:
        """Train on images, flat or of shape (rows, [channels,] height, width), and labels of shape (rows,).

        Raises:
            InvalidInputError: an argument of the constructor out of its range, or images that do not fit it.
            ValueError: rows or labels that scikit-learn does not take.
        """
        flat = _flat(np.asarray(X) if getattr(X, "ndim", 2) > 2 else X)
        validate_data(self, flat, y, dtype=np.float64)
        self._rows_to_fit(X)
        return super().fit(flat, y)

    def _rows_to_fit(self, X: Rows) -> FloatArray:
        images = np.asarray(X) if getattr(X, "ndim", 2) > 2 else X
        rows = super()._rows_to_fit(_flat(images))
        given = images.shape[1:] if getattr(images, "ndim", 2) > 2 else self.image_shape
        self.image_shape_ = _image_shape(given, self.n_features_in_)
        return rows

    def _read(self, X: Rows) -> FloatArray:
        return super()._read(_flat(np.asarray(X) if getattr(X, "ndim", 2) > 2 else X))

    def _row_shape(self) -> tuple[int, ...]:
        return self.image_shape_

    def _network(self) -> QuantNetwork:
        for name, least in (("kernel_size", 1), ("pool_size", 1), ("stride", 1), ("padding", 0)):
            if getattr(self, name) < least:
                raise InvalidInputError(f"{name} is {getattr(self, name)}, expected {least} or more")
        if self.activation == SQUARE:
            return self._squared(
                self._outputs,
                Convolutions(
                    self.image_shape_, self.channels, self.kernel_size, self.stride, self.padding, self.pool_size
                ),
            )
        return QuantConvNetwork(
            self.image_shape_,
            self._outputs,
            self.channels,
            kernel_size=self.kernel_size,
            pool_size=self.pool_size,
            stride=self.stride,
            padding=self.padding,
            hidden_layer_sizes=self.hidden_layer_sizes,
            **self._precision(),
        )


def _flat(X: Rows) -> Rows:
    return X.reshape(len(X), -1) if getattr(X, "ndim", 2) > 2 else X


def _image_shape(given: tuple[int, ...] | None, pixels: int) -> tuple[int, int, int]:
    side = math.isqrt(pixels)
    shape = (side, side) if given is None else tuple(given)
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) != 3 or math.prod(shape) != pixels:
        raise InvalidInputError(
            f"rows have {pixels} pixels, which is no image of shape {given if given is not None else 'n x n'}; give "
            "image_shape=(height, width) or (channels, height, width)"
        )
    return shape[0], shape[1], shape[2]
