"""Spot checks: rows with known answers travel among the user's, and one verdict is given after the last send.

Encrypted, a check is a row like any other: it is put among the user's encoded rows before anything is encrypted, at
places that the system's randomness chooses, and from there on nothing knows which rows are checks. Whoever answers a
share f of the rows of a call wrongly, choosing them as he likes, is found out by k checks among them with probability

    1 - C(N - fN, k) / C(N, k)  >=  1 - (1 - f)^k,    and, m being fN and s being k/N,  >=  1 - (1 - s)^m

N counting rows and checks together: the places are a uniform sample that is independent of all that the server sees
(docs/decisions/0034-spot-checks.md).
"""

from __future__ import annotations

import math
import os
import secrets
import threading
import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.limits import MAX_KNOWN_ANSWERS_BYTES
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.model.known_answers import KnownAnswers

from cryptable_client.errors import KeyFileError, SignatureError, WrongAnswersError
from cryptable_client.keys.secret_keys import SecretKeys

DEFAULT_SHARE = 0.1
_LARGEST_SHARE = 0.9

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SpotChecks:
    """What a connection is checked with: `connect(spot_checks=...)`. Made by `load`.

    Attributes:
        known: rows and answers, of the model's developer.
        share: of all rows that are sent, how many are checks, at least.
    """

    known: KnownAnswers
    share: float = DEFAULT_SHARE

    def __post_init__(self) -> None:
        if not 0 < self.share <= _LARGEST_SHARE:
            raise InvalidInputError(f"share of spot checks is {self.share}, expected more than 0, at most 0.9")

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, share: float = DEFAULT_SHARE) -> SpotChecks:
        """Read a file of known answers (`cryptable spot-checks`), and verify its signature.

        Keep the file from whoever runs the server: with it, wrong answers can be chosen that no check looks at.

        Args:
            path: of the file.
            share: of all rows that are sent, how many are checks, at least: up to 0.9.

        Raises:
            InvalidInputError: no such share.
            MalformedMessageError: no such file, or changed after it was signed.
            OSError: it cannot be read.
        """
        with Path(path).open("rb") as file:
            data = file.read(MAX_KNOWN_ANSWERS_BYTES + 1)
        return cls(KnownAnswers.from_bytes(data), share)

    def among(self, rows: int) -> int:
        """How many checks travel with a call of so many rows: a matter of these two figures alone."""
        share = Fraction(str(float(self.share)))  # 0.1 is meant as a tenth
        return math.ceil(rows * share / (1 - share))

    def catches(self, wrong: float, *, rows: int) -> float:
        """Probability, at least, of the verdict catching a server that answers a share of all rows wrongly.

        Args:
            wrong: the share, in 0 .. 1, of rows as the checks are.
            rows: of the user's, in one call.
        """
        return 1.0 - (1.0 - wrong) ** self.among(rows)


@dataclass(frozen=True, repr=False)
class Batch:
    """Rows of a call with checks amid them.

    Attributes:
        rows: encoded, of shape (rows and checks, inputs).
        is_check: which of them are checks.
        known: the answers to these, of shape (checks, outputs).
    """

    rows: IntArray
    is_check: npt.NDArray[np.bool_]
    known: IntArray


class SpotCheckRun:
    """The checks of one connection: from its first row to its verdict. May be used from several threads.

    Raises:
        SignatureError: the checks are not signed by who signed the model.
        MalformedMessageError: they are for another model, or another version.
    """

    def __init__(self, checks: SpotChecks, spec: ClientSpec, *, artifact: bytes, signer: str | None) -> None:
        if signer is None:
            raise SignatureError(
                f"model {spec.model_name!r} is signed by nobody, so that nobody vouches for what its answers are: spot "
                "checks are for models that their developer signs"
            )
        if checks.known.signer != signer:
            raise SignatureError(
                f"the spot checks are signed by key {checks.known.signer}, model {spec.model_name!r} by key {signer}"
            )
        try:
            checks.known.check_fits(spec, artifact.hex())
        except MalformedMessageError as error:
            raise InvalidInputError(str(error)) from error
        self._checks = checks
        self._random = secrets.SystemRandom()
        self._lock = threading.Lock()
        self._answered = 0
        self._has_begun = False
        self._is_over = False
        self._all_right = True

    @property
    def answered(self) -> int:
        """Checks that were sent and answered."""
        return self._answered

    def amid(self, encoded: IntArray, secret_keys: SecretKeys) -> Batch:
        """Rows of a call, of shape (rows, inputs), with checks at places that nobody can know.

        Raises:
            InvalidInputError: the keys had spot checks on another connection.
        """
        with self._lock:
            if not self._has_begun and len(encoded):
                secret_keys._begin_checks()
                self._has_begun = True
        count = self._checks.among(len(encoded))
        is_check = np.zeros(len(encoded) + count, bool)
        is_check[self._random.sample(range(len(is_check)), count)] = True
        chosen = self._chosen(count)
        rows = np.empty((len(is_check), encoded.shape[1]), np.int64)
        rows[is_check], rows[~is_check] = self._checks.known.rows[chosen], encoded
        return Batch(rows, is_check, self._checks.known.answers[chosen])

    def take(self, batch: Batch, answers: IntArray) -> IntArray:
        """The answers to the user's own rows, of shape (rows, outputs); those to checks count for the verdict.

        Raises:
            InvalidInputError: the verdict was given meanwhile, by another thread.
        """
        difference = np.abs(answers[batch.is_check] - batch.known)
        with self._lock:
            if self._is_over:
                raise InvalidInputError("this connection was closed while rows were underway: connect again")
            self._answered += len(batch.known)
            self._all_right &= bool((difference <= self._checks.known.tolerance).all())
        return answers[~batch.is_check]

    def give_verdict(self, secret_keys: SecretKeys) -> None:
        """Once, when this connection sends nothing any more.

        Raises:
            WrongAnswersError: an answer was wrong. The keys are retired by now, in their files too.
        """
        with self._lock:
            was_over, self._is_over = self._is_over, True
        if was_over or self._all_right:
            return
        unmarked = ""
        try:
            secret_keys._retire()
        except (KeyFileError, OSError) as error:
            unmarked = f". A key file could not be marked as retired: delete it ({error})"
        # How many, and which, would be more than one bit that whoever shaped the answers could read.
        raise WrongAnswersError(
            "the server answered spot checks wrongly: use none of its answers on this connection, and tell nobody more "
            f"than this. The secret keys are retired: they never encrypt again{unmarked}"
        )

    def _chosen(self, count: int) -> IntArray:
        """Places in the file, each as often as any other but for one."""
        known = len(self._checks.known)
        whole, rest = divmod(count, known)
        chosen = [*range(known)] * whole + self._random.sample(range(known), rest)
        self._random.shuffle(chosen)
        return np.array(chosen, np.int64)

    def __del__(self) -> None:
        if getattr(self, "_answered", 0) and not self._is_over:
            warnings.warn(
                "a connection with spot checks was never closed: no verdict was given on its answers",
                ResourceWarning,
                stacklevel=2,
            )
