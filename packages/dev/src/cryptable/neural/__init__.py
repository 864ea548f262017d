"""Networks trained for encryption: Brevitas modules with the rounding of their lookups, as scikit-learn estimators."""

from cryptable.neural.classifier import QuantNeuralNetClassifier
from cryptable.neural.convolutional_classifier import QuantConvNetClassifier
from cryptable.neural.convolutional_network import QuantConvNetwork
from cryptable.neural.regressor import QuantNeuralNetRegressor
from cryptable.neural.sparse_network import SparseQuantNeuralNetwork

__all__ = [
    "QuantConvNetClassifier",
    "QuantConvNetwork",
    "QuantNeuralNetClassifier",
    "QuantNeuralNetRegressor",
    "SparseQuantNeuralNetwork",
]
