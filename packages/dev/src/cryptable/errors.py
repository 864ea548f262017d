"""The exceptions of the developer's package.

CryptableError (cryptable_protocol)
├── InvalidInputError             (also a ValueError)
│   ├── UnsupportedModelError     the estimator, or one of its settings, has no importer; the message lists what has
│   │   └── ConstantModelError    its scores are the same for every input
│   ├── NotFittedError            the estimator has not been fitted
│   ├── BudgetError               no approximation of the model is within the budget; the message says what is cheapest
│   └── ImportMismatchError       the imported graph does not give the estimator's own output; nothing was compiled
└── DemoError                     a party of the demo failed; the message says which and why

A CostWarning (a UserWarning) tells of a model that compiles, but is expensive; a CalibrationWarning of one whose
encoders know few rows; an AgreementWarning of one whose answers are not near the model's own; a NoisyKeysetWarning of
one that was compiled by an earlier version and fails more often than it promises.
"""

from __future__ import annotations

from cryptable_protocol import CryptableError, InvalidInputError


class UnsupportedModelError(InvalidInputError):
    """The estimator, or one of its settings, has no importer; the message says what has."""


class ConstantModelError(UnsupportedModelError):
    """The estimator's scores are the same for every input: there is nothing to compute under encryption."""


class NotFittedError(InvalidInputError):
    """The estimator has not been fitted."""


class BudgetError(InvalidInputError):
    """No approximation that depends on its input is within the budget; the message says what the cheapest costs."""


class ImportMismatchError(InvalidInputError):
    """The imported graph's output is not the estimator's own; the message says in which row and by how much."""


class CostWarning(UserWarning):
    """The model compiles, but one prediction costs more than most can use; the message says how much."""


class CalibrationWarning(UserWarning):
    """Encoders take their ranges from so few rows that many others may lie beyond them, where scores are clipped."""


class AgreementWarning(UserWarning):
    """A model compiles, but its answers differ from its own on calibration data; the message says how much."""


class NoisyKeysetWarning(UserWarning):
    """A model's keyset, chosen by an earlier version, is noisier than that knew; the message has its true p_error."""


class DemoError(CryptableError):
    """A party of the demo failed, or something that the demo needs is missing."""
