"""Compile trained machine-learning models so that a server can evaluate them on encrypted data."""

from cryptable_protocol import CryptableError, InvalidInputError, MalformedMessageError

from cryptable.advice import Advice, advise
from cryptable.autotune import Setting, Tuning, autotune
from cryptable.check_report import CheckReport
from cryptable.compile import compile  # noqa: A004  (cryptable.compile, as torch.compile)
from cryptable.compiled_model import CompiledModel, load
from cryptable.encrypted_estimator import EncryptedClassifier, EncryptedRegressor
from cryptable.errors import (
    ConstantModelError,
    CostWarning,
    ImportMismatchError,
    NotFittedError,
    UnsupportedModelError,
)
from cryptable.explanation import Explanation
from cryptable.importers import supported_estimators

__version__ = "0.1.0"

__all__ = [
    "Advice",
    "CheckReport",
    "CompiledModel",
    "ConstantModelError",
    "CostWarning",
    "CryptableError",
    "EncryptedClassifier",
    "EncryptedRegressor",
    "Explanation",
    "ImportMismatchError",
    "InvalidInputError",
    "MalformedMessageError",
    "NotFittedError",
    "Setting",
    "Tuning",
    "UnsupportedModelError",
    "__version__",
    "advise",
    "autotune",
    "compile",
    "load",
    "supported_estimators",
]
