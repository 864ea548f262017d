"""What the estimators here have in common: rows to levels, skorch for the training, state dicts for pickles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from cryptable_protocol import InvalidInputError, Labels, Link
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet, NeuralNetRegressor
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import ValidSplit
from torch import nn

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.neural.activations import ActivationChoice
from cryptable.neural.input_levels import InputLevels
from cryptable.neural.network import INPUT_RANGE, Precision, QuantNetwork
from cryptable.neural.read_integers import read_integers
from cryptable.neural.read_squares import grid_of, read_squares
from cryptable.neural.sparse_network import SparseQuantNeuralNetwork
from cryptable.neural.squared_network import SQUARE, Convolutions, SquaredNetwork

Parameters: TypeAlias = Mapping[str, Any]
Callbacks: TypeAlias = list[Callback] | None
State: TypeAlias = dict[str, Any]
Rows: TypeAlias = Any
Target: TypeAlias = Any
NetClass: TypeAlias = Any
"""A class of skorch, which has no types."""

_PRECISION = (
    *("activation", "kept_bits", "input_bits", "weight_bits", "value_bits", "output_weight_bits"),
    *("power_of_two_scales", "max_active_weights"),
)
_PRIOR_ROWS, _MOST_DECAY = 160.0, 0.5
"""Tried on diabetes (354 rows: 0.484 in five folds, 0.456 with hardly any decay, ridge 0.480) and Friedman's function
(1600 rows: 0.895 at 0.1, 0.852 at 0.5, 0.900 with hardly any)."""
_WARM_UP = 0.3
"""Part of the training in which the learning rate rises; then it falls."""
_LARGEST_GRADIENT = 1.0
"""Norm of all gradients behind squares, which have no end."""


class QuantEstimator(BaseEstimator):  # type: ignore[misc]
    """Trains a QuantNetwork on raw features. Subclasses say which network, which class of skorch, what targets mean."""

    pixels: ClassVar[bool] = False

    activation: ActivationChoice
    hidden_layer_sizes: Sequence[int]
    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float | None
    early_stopping: bool
    validation_fraction: float
    patience: int
    callbacks: Callbacks
    skorch_params: Parameters | None
    input_bits: int
    random_state: Any
    verbose: int

    def _network(self) -> QuantNetwork:
        """A new one, with random weights."""
        raise NotImplementedError

    def _net_class(self) -> NetClass:
        """Of skorch."""
        raise NotImplementedError

    def _criterion(self) -> nn.Module:
        """The loss, on scores."""
        raise NotImplementedError

    def _precision(self) -> dict[str, Any]:
        """What all networks take."""
        return {name: getattr(self, name) for name in _PRECISION}

    def _rows_to_fit(self, X: Rows) -> FloatArray:
        """Rows without labels, which tell the number and names of the features."""
        rows: FloatArray = validate_data(self, X, dtype=np.float64)
        return rows

    def _train(self, rows: FloatArray, target: npt.NDArray[Any], softened: nn.Module | None = None) -> None:
        """Fit levels and network, by another loss than its own where one is given.

        torch's own random numbers go on as if nothing had happened.
        """
        self.__dict__.pop("teacher_agreement_", None)
        if self.max_epochs < 1 or self.batch_size < 1:
            raise InvalidInputError(
                f"max_epochs is {self.max_epochs} and batch_size {self.batch_size}, expected positive numbers"
            )
        self.levels_ = InputLevels.of(rows, self.input_bits, together=self.pixels)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net_ = self._skorch(seed, len(rows), softened)
            self.net_.fit(self._standardised(rows), target)
        self.n_iter_ = len(self.net_.history)
        self.history_ = self.net_.history.to_list()
        self.module_.eval()

    def _skorch(self, seed: int, rows: int, softened: nn.Module | None) -> NeuralNet:
        split = None
        if self.early_stopping:
            stratified = self._stratified and softened is None
            split = ValidSplit(self.validation_fraction, stratified=stratified, random_state=seed)
            rows -= math.ceil(rows * self.validation_fraction)
        steps = math.ceil(rows / self.batch_size) * self.max_epochs
        schedule = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            max_lr=self.learning_rate,
            total_steps=steps + 1,
            pct_start=_WARM_UP,
            step_every="batch",
        )
        callbacks: list[Any] = [("schedule", schedule), *(self.callbacks or ())]
        if self.activation == SQUARE:
            callbacks.append(("clipping", GradientNormClipping(_LARGEST_GRADIENT)))
        if self.early_stopping:
            callbacks.append(("early_stopping", EarlyStopping(patience=self.patience, load_best=True, sink=_silent)))
        parameters: dict[str, Any] = {
            "module": self._network(),
            "criterion": self._criterion() if softened is None else softened,
            "optimizer": torch.optim.AdamW,
            "optimizer__weight_decay": self._decay(rows),
            "lr": self.learning_rate,
            "max_epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "iterator_train__shuffle": True,
            "train_split": split,
            "callbacks": callbacks,
            "verbose": self.verbose,
            **(self.skorch_params or {}),
        }
        return (self._net_class() if softened is None else NeuralNetRegressor)(**parameters)

    def _decay(self, rows: int) -> float:
        """Of AdamW: as given, or so that it pulls like a prior, the less the more rows there are."""
        return min(_MOST_DECAY, _PRIOR_ROWS / rows) if self.weight_decay is None else self.weight_decay

    @property
    def _stratified(self) -> bool:
        return False

    @property
    def module_(self) -> QuantNetwork:
        """The trained Brevitas module."""
        check_is_fitted(self, "levels_")
        module: QuantNetwork = self.net_.module_
        return module

    def _standardised(self, rows: FloatArray) -> npt.NDArray[np.float32]:
        """Rows as the network takes them: levels, moved and scaled to -2 .. 2, all of them exact."""
        half = 1 << (self.input_bits - 1)
        return ((self.levels_.levels(rows) - half) * (INPUT_RANGE / half)).astype(np.float32)

    def reference_scores(self, X: Rows) -> FloatArray:
        """The module's own scores, before any link, shape (rows, scores)."""
        check_is_fitted(self, "levels_")
        return self._scores(self._read(X))

    def _scores(self, rows: FloatArray) -> FloatArray:
        """Of rows that were looked at."""
        with torch.no_grad():
            scores: FloatArray = self.module_(torch.from_numpy(self._standardised(rows))).numpy().astype(np.float64)
        return scores

    def _graph(
        self, link: Link, labels: Labels | None, scale: float = 1.0, shift: FloatArray | float = 0.0
    ) -> TrainedIntegers | TrainedSquares:
        """The integers that the module computes with, and what `scale` times its scores plus `shift` mean."""
        module, levels = self.module_, self.levels_
        if isinstance(module, SquaredNetwork):
            squares = read_squares(module, levels).rescaled(scale, np.asarray(shift))
            return TrainedSquares(squares, grid_of(levels), link, labels)
        found = read_integers(module, levels, self._row_shape())
        return TrainedIntegers(
            found.with_outputs(found.weights, found.step * scale, found.base * scale + shift), link, labels
        )

    def _dense(self, outputs: int) -> QuantNetwork:
        """A fully connected network of the estimator's arguments, with random weights."""
        arguments = self._precision()
        if self.activation != SQUARE:
            return SparseQuantNeuralNetwork(self.n_features_in_, outputs, self.hidden_layer_sizes, **arguments)
        return self._squared(outputs)

    def _squared(self, outputs: int, convolutions: Convolutions | None = None) -> QuantNetwork:
        """A network of squares of the estimator's arguments."""
        arguments = self._precision()
        most = arguments.pop("max_active_weights")
        return SquaredNetwork(
            self.n_features_in_,
            outputs,
            self.hidden_layer_sizes,
            precision=Precision(**arguments),
            max_active_weights=most,
            convolutions=convolutions,
        )

    def _row_shape(self) -> tuple[int, ...]:
        """Of one row as the module takes it."""
        return (int(self.n_features_in_),)

    def _read(self, X: Rows) -> FloatArray:
        rows: FloatArray = validate_data(self, X, reset=False, dtype=np.float64)
        return rows

    def __getstate__(self) -> State:
        """The network as a state dict: Brevitas' modules do not pickle."""
        state: State = dict(super().__getstate__())
        net = state.pop("net_", None)
        if net is not None:
            state["weights_"] = {name: value.numpy().copy() for name, value in net.module_.state_dict().items()}
        return state

    def __setstate__(self, state: State) -> None:
        """With a network of the same weights, ready to predict."""
        weights = state.pop("weights_", None)
        super().__setstate__(state)
        if weights is None:
            return
        with torch.random.fork_rng(devices=[]):
            network = self._network()
        network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        self.net_ = self._net_class()(network, criterion=self._criterion(), train_split=None).initialize()
        self.module_.eval()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = False
        tags.target_tags.required = True
        return tags


def _silent(_: str) -> None:
    """Where skorch's early stopping says that it stops."""
