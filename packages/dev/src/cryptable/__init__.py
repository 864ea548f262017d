"""Compile trained machine-learning models so that a server can evaluate them on encrypted data."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cryptable_protocol import CryptableError, InvalidInputError, MalformedMessageError

from cryptable.compiled.card import read_card, write_card
from cryptable.compiled.check_report import CheckReport
from cryptable.compiled.compiled_model import CompiledModel, load
from cryptable.compiling.compile import compile  # noqa: A004  (cryptable.compile, as torch.compile)
from cryptable.errors import (
    AgreementWarning,
    BudgetError,
    CalibrationWarning,
    ConstantModelError,
    CostWarning,
    ImportMismatchError,
    NoisyKeysetWarning,
    NotFittedError,
    UnsupportedModelError,
)
from cryptable.explaining.explanation import Explanation
from cryptable.importers import supported_estimators
from cryptable.importers.networks.conversion import convert_with_hummingbird, numpy_forward
from cryptable.planner.budget import Budget
from cryptable.planner.networks.setting import Setting
from cryptable.searching.autotune import Tuning, autotune

if TYPE_CHECKING:
    from cryptable import neural
    from cryptable.searching.advice import Advice, advise
    from cryptable.searching.encrypted_estimator import EncryptedClassifier, EncryptedRegressor

__version__ = "0.1.0"

__all__ = [
    "Advice",
    "AgreementWarning",
    "Budget",
    "BudgetError",
    "CalibrationWarning",
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
    "NoisyKeysetWarning",
    "NotFittedError",
    "Setting",
    "Tuning",
    "UnsupportedModelError",
    "__version__",
    "advise",
    "autotune",
    "compile",
    "convert_with_hummingbird",
    "load",
    "neural",
    "numpy_forward",
    "read_card",
    "supported_estimators",
    "write_card",
]


_HOMES = {
    "Advice": "cryptable.searching.advice",
    "EncryptedClassifier": "cryptable.searching.encrypted_estimator",
    "EncryptedRegressor": "cryptable.searching.encrypted_estimator",
    "advise": "cryptable.searching.advice",
}
"""Of what loads scikit-learn with it, which takes a second."""


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """What loads torch or scikit-learn is loaded when it is asked for."""
    if name == "neural":
        return importlib.import_module("cryptable.neural")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cryptable' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
