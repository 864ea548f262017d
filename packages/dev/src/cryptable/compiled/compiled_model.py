"""CompiledModel: predict in the clear, with simulated noise or under encryption; check, explain, save, load."""

from __future__ import annotations

import errno
import html
import os
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from cryptable_engine import Circuit, Program, interpret, simulate, verify, what_to_warn_of
from cryptable_engine.circuit.readout import noise_bound, read_out
from cryptable_protocol import InternalError, InvalidInputError, ModelArtifact, encode_rows

from cryptable.compiled.check_report import CheckReport, ModeResult, measured_score
from cryptable.compiled.known_answers import write_known_answers
from cryptable.compiled.local_session import LocalSession
from cryptable.compiled.program_folder import ProgramFolder
from cryptable.compiled.signing import SigningKey, read_signing_key
from cryptable.cost.prices import price_list
from cryptable.errors import NoisyKeysetWarning
from cryptable.explaining.explanation import Explanation, explain
from cryptable.explaining.training_options import TrainingOptions
from cryptable.graphs.contributions import Contributions
from cryptable.graphs.graph import Estimator, FloatArray, IntArray, Rows
from cryptable.importers.registry import reference_scores
from cryptable.planner.planned_model import Agreement, SchemeOffer, ScoreDrop, ThresholdDisclosure

Mode = Literal["clear", "simulate", "encrypted"]
_MODES = ("clear", "simulate", "encrypted")
_SIMULATED_ROWS = 100


class CompiledModel:
    """A model that a server can evaluate on encrypted data.

    Made by `cryptable.compile` or `cryptable.load`. Holds no secret but, after the first encrypted prediction, keys of
    its own to try the model with on this machine; they are never saved.
    """

    def __init__(
        self,
        artifact: ModelArtifact,
        circuit: Circuit,
        *,
        compiled: ProgramFolder | None = None,
        estimator: Estimator = None,
        error_bound: float | None = None,
        edges: ThresholdDisclosure | None = None,
        layer_names: tuple[str, ...] = (),
        given_up: ScoreDrop | None = None,
        ranges: str | None = None,
        agreement: Agreement | None = None,
        places: Callable[[FloatArray], IntArray] | None = None,
        predictions: Callable[[FloatArray], FloatArray] | None = None,
        contributions: Contributions | None = None,
        contribution_error_bound: float | None = None,
        advice: TrainingOptions | None = None,
        offers: tuple[SchemeOffer, ...] = (),
    ) -> None:
        self.artifact = artifact
        self.circuit = circuit
        self.error_bound = error_bound
        self.edges = edges
        self.given_up = given_up
        self.ranges = ranges
        self.agreement = agreement
        self._places = places
        self._predictions = predictions
        self.contribution_error_bound = contribution_error_bound
        self._contributions = contributions
        self._layer_names = layer_names
        self._compiled = compiled
        self._estimator = estimator
        self._session: LocalSession | None = None
        self._advice = advice
        self._offers = offers
        self._cpu_seconds_measured: float | None = None

    @property
    def name(self) -> str:
        """Name under which a server offers the model."""
        return self.artifact.model_name

    @property
    def version(self) -> str:
        """Version, for people to read."""
        return self.artifact.model_version

    def __repr__(self) -> str:
        operations = f"{self.circuit.products} products" if self.circuit.products else f"{self.circuit.lookups} lookups"
        return f"<CompiledModel {self.name!r}, version {self.version!r}, {operations}>"

    # -- predicting ---------------------------------------------------------------------------------------------------

    def predict(self, X: Rows, *, mode: Mode = "clear") -> npt.NDArray[Any]:
        """Labels, or a regression's predictions; of shape (rows, 1) where the estimator's own are.

        Args:
            X: rows of shape (rows, features); a pandas frame's columns are matched by name.
            mode: "clear" evaluates the circuit in NumPy, "simulate" with the noise that ciphertexts would have,
                "encrypted" really makes keys, encrypts, evaluates and decrypts.

        Raises:
            InvalidInputError: another shape, unknown columns, NaN or infinite values, or an unknown mode.
        """
        return self.artifact.client_spec.decoder.predict(self._values(X, mode))

    def predict_proba(self, X: Rows, *, mode: Mode = "clear") -> FloatArray:
        """Class probabilities of shape (rows, classes); as `predict`, and an InvalidInputError where there are none."""
        return self.artifact.client_spec.decoder.predict_proba(self._values(X, mode))

    def decision_function(self, X: Rows, *, mode: Mode = "clear") -> FloatArray:
        """Scores before the link, shape (rows,) or (rows, scores); as `predict`."""
        return self.artifact.client_spec.decoder.decision_function(self._values(X, mode))

    def contributions(self, X: Rows, *, mode: Mode = "clear") -> FloatArray:
        """What each score is a sum of, besides its base: shape (rows, names), or (rows, scores, names) of several.

        Arguments and errors as for `predict`; and an InvalidInputError where the model was not compiled with
        explain="contributions". As integers, contributions add up to the score exactly.
        """
        self.artifact.client_spec.decoder.require_contributions()
        return self.artifact.client_spec.decoder.contributions_of(self._values(X, mode))

    @property
    def contribution_names(self) -> tuple[str, ...]:
        """Of features, or of pairs, "first & second"; empty where the model tells no contributions."""
        return self.artifact.client_spec.decoder.contributions

    @property
    def base_values(self) -> tuple[float, ...]:
        """Of each score: what its contributions are added to."""
        return self.artifact.client_spec.decoder.base_values

    def _values(self, X: Rows, mode: str) -> IntArray:
        if mode not in _MODES:
            raise InvalidInputError(f"mode is {mode!r}, expected one of {', '.join(map(repr, _MODES))}")
        return self._evaluate(encode_rows(self.artifact.client_spec.features, X), mode)

    def _evaluate(self, encoded: IntArray, mode: str) -> IntArray:
        match mode:
            case "clear":
                return self._read(interpret(self.circuit, encoded))
            case "simulate":
                options = self.artifact.compile_options
                outputs = simulate(self.circuit, options, encoded, program=self._program())
                return self._read(outputs, np.random.default_rng())
            case _:
                if self._session is None:
                    compiled = self._folder()
                    spec = self.artifact.client_spec
                    self._session = LocalSession(spec, compiled.program, native=compiled.native)
                return self._session.evaluate(encoded)

    def _read(self, outputs: IntArray, generator: np.random.Generator | None = None) -> IntArray:
        """What a client reads of outputs, with the noise of approximate readout where there is a generator."""
        spec = self.artifact.client_spec
        deviation = price_list(spec.p_error, scheme=spec.scheme).noise_deviation
        return read_out(self.circuit, outputs, spec.decoder.further_bits, deviation=deviation, generator=generator)

    def _program(self) -> Program:
        return self._folder().program

    def _folder(self) -> ProgramFolder:
        """The compiled program; of a loaded model, it is compiled when it is first needed, by our own engine."""
        if self._compiled is None:
            options, promised = self.artifact.compile_options, self.artifact.client_spec.parameters
            self._compiled = ProgramFolder(self.circuit, options, promised=promised)
        return self._compiled

    def score(self, X: Rows, y: npt.ArrayLike, *, mode: Mode = "clear") -> float:
        """Accuracy of a classifier, R² of a regression, as scikit-learn's; `y` is the truth, errors as `predict`."""
        from sklearn.metrics import accuracy_score, r2_score

        predicted = self.predict(X, mode=mode)
        if self.artifact.client_spec.decoder.is_classifier:
            return float(accuracy_score(y, predicted))
        return float(r2_score(y, predicted))

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Labels, in the order of the columns of `predict_proba`; an AttributeError of a regression."""
        labels = self.artifact.client_spec.decoder.labels
        if labels is None:
            raise AttributeError("a regression has no classes_")
        return np.asarray(labels)

    @property
    def feature_names_in_(self) -> npt.NDArray[np.object_]:
        """Names of the columns, shape (features,): those of X_train or of the estimator, else x0, x1, ..."""
        return np.array(self.artifact.client_spec.feature_names, object)

    @property
    def n_features_in_(self) -> int:
        """Number of columns."""
        return len(self.artifact.client_spec.features)

    def _repr_html_(self) -> str:
        """For notebooks: what `repr` says, and the explanation, where that takes no compiling."""
        told = f"<p><code>{html.escape(repr(self))}</code></p>"
        return told if self._compiled is None else told + self.explain()._repr_html_()

    # -- judging ------------------------------------------------------------------------------------------------------

    def explain(self) -> Explanation:
        """What one prediction costs, by prediction and, after `check`, as measured; and what each party learns."""
        return explain(
            self.circuit,
            self.artifact.client_spec,
            self._program(),
            error_bound=self.error_bound,
            layer_names=self._layer_names,
            given_up=self.given_up,
            edges=self.edges,
            ranges=self.ranges,
            agreement=self.agreement,
            advice=self._advice,
            contribution_error_bound=self.contribution_error_bound,
            cpu_seconds_measured=self._cpu_seconds_measured,
            offers=self._offers,
        )

    def check(self, X: Rows, y: npt.ArrayLike | None = None, *, encrypted_rows: int = 3) -> CheckReport:
        """Predict the same rows in every way there is, and compare.

        Args:
            X: rows of shape (rows, features).
            y: the truth, shape (rows,), to score the predictions by.
            encrypted_rows: rows to evaluate under encryption, the first ones; 0 for none.

        Returns:
            The report. A loaded model has no float model to compare with: there, the clear evaluation is the reference.
        """
        encoded = encode_rows(self.artifact.client_spec.features, X)
        if not encoded.shape[0]:
            raise InvalidInputError("X has no rows: there is nothing to check")
        truth = None if y is None else np.asarray(y)
        if truth is not None and truth.shape[:1] != encoded.shape[:1]:
            raise InvalidInputError(f"y has {truth.shape[0]} rows, X has {encoded.shape[0]}")
        clear = self._read(interpret(self.circuit, encoded))
        values = {"clear": clear, "simulate": self._evaluate(encoded[:_SIMULATED_ROWS], "simulate")}
        cpu_seconds: float | None = None
        sizes: dict[str, int] = {}
        if encrypted_rows:
            values["encrypted"] = self._evaluate(encoded[:encrypted_rows], "encrypted")
            cpu_seconds, sizes = self._measured(encoded)
            self._cpu_seconds_measured = cpu_seconds
        return CheckReport(
            model=self.name,
            reference="its clear evaluation (no float model is in the file)"
            if self._estimator is None
            else "the float model",
            results=tuple(self._compare(X, truth, clear, values)),
            cpu_seconds=cpu_seconds,
            cpu_seconds_predicted=self.explain().cpu_seconds_predicted,
            bytes=sizes,
            lookups=self.circuit.lookups,
            exact=self.circuit.exact_output_bits is None,
            contribution_names=self.contribution_names,
        )

    def _measured(self, encoded: IntArray) -> tuple[float, dict[str, int]]:
        session = self._session
        if session is None:
            raise InternalError("nothing has been evaluated under encryption yet")
        measured = session.measured
        if len(measured.evaluation_cpu_seconds) == 1:  # the first evaluation unpacks the keys: not what a row costs
            session.evaluate(encoded[:1])
        sizes = {
            "evaluation_keys": measured.evaluation_keys_bytes,
            "input_row": measured.input_row_bytes,
            "output_row": measured.output_row_bytes,
        }
        return statistics.median(measured.evaluation_cpu_seconds[1:]), sizes

    def _compare(
        self, X: Rows, truth: npt.NDArray[Any] | None, clear: IntArray, values: dict[str, IntArray]
    ) -> list[ModeResult]:
        decoder = self.artifact.client_spec.decoder
        contributions = self._reference_contributions(X, clear)
        reference = decoder.decision_function(clear).reshape(clear.shape[0], -1)
        labels = decoder.predict(clear).reshape(clear.shape[0], -1)
        # Of levels without a bound, up to the farther end of the next one.
        most = self.error_bound or (0.0 if self._predictions is None else 3 * decoder.step)
        results = []
        if self._estimator is not None:
            reference = reference_scores(self._estimator, X)
            labels = np.asarray(self._estimator.predict(X)).reshape(labels.shape)
            if self._predictions is not None:  # these, in levels, are what is answered
                reference = self._predictions(reference)
            if self._places is not None:  # labels alone are answered: there are no scores to compare
                labels = self.classes_[self._places(reference)][:, None]
                reference = decoder.decision_function(clear).reshape(clear.shape[0], -1)
            score = None if truth is None else measured_score(truth, labels, decoder.is_classifier)
            results.append(ModeResult("float", clear.shape[0], 1.0, 0.0, score, None))
        for mode, integers in values.items():
            count = integers.shape[0]
            difference = np.abs(decoder.decision_function(integers).reshape(count, -1) - reference[:count]).max(axis=1)
            predicted = decoder.predict(integers).reshape(count, -1)
            agrees = predicted == labels[:count] if decoder.is_classifier else difference <= most
            score = None if truth is None else measured_score(truth[:count], predicted, decoder.is_classifier)
            results.append(
                ModeResult(
                    mode,
                    count,
                    float(np.mean(agrees)),
                    float(difference.max()),
                    score,
                    bool((np.abs(integers - clear[:count]) <= noise_bound(decoder.further_bits)).all()),
                    None
                    if contributions is None
                    else float(np.abs(decoder.contributions_of(integers) - contributions[:count]).max()),
                )
            )
        return results

    def _reference_contributions(self, X: Rows, clear: IntArray) -> FloatArray | None:
        """In floats, as far as there is a model graph to take them from; None where the model tells none."""
        decoder = self.artifact.client_spec.decoder
        if not decoder.contributions:
            return None
        if self._contributions is None:
            return decoder.contributions_of(clear)
        found = self._contributions.of(X)
        return found[:, 0] if decoder.scores == 1 else found

    # -- storing ------------------------------------------------------------------------------------------------------

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        signing_key: SigningKey | None = None,
        passphrase: str | None = None,
    ) -> None:
        """Write the artifact, whole or not at all: circuit and client specification, no key.

        It holds no training data either, but for nearest neighbours, which are the differences between their rows.

        Args:
            path: where to.
            signing_key: of the developer: a PEM file (`cryptable keygen-signing`) or an Ed25519PrivateKey. Signs the
                model, so that clients can tell it from one by anybody else.
            passphrase: of the PEM file.

        Raises:
            OSError: it cannot be written; a FileNotFoundError says which folder is not there.
        """
        folder = Path(path).parent
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder to save the model in: make it", str(folder))
        if signing_key is not None:
            self.artifact = self.artifact.signed(read_signing_key(signing_key, passphrase=passphrase))
        self.artifact.save(path)

    def export_spot_checks(
        self, path: str | os.PathLike[str], X: Rows, *, signing_key: SigningKey, passphrase: str | None = None
    ) -> None:
        """Write rows with the answers that this model gives, signed, for clients to check a server with.

        Whoever has the file can read these rows, so make them up; who runs the server must not have it.

        Args:
            path: where to.
            X: rows of shape (rows, features), as users' rows are.
            signing_key: as for `save`, and the same that the model is signed with.
            passphrase: of the PEM file.

        Raises:
            InvalidInputError: no rows, or a model whose answers its noise may change.
        """
        write_known_answers(path, self.artifact, self.circuit, X, read_signing_key(signing_key, passphrase=passphrase))


def load(path: str | os.PathLike[str]) -> CompiledModel:
    """Read an artifact. A NoisyKeysetWarning says so where lookups fail more often than it promises.

    Raises:
        OSError: it cannot be read.
        MalformedMessageError: not an artifact, corrupted, or a circuit that the verifier refuses.
    """
    artifact = ModelArtifact.load(path)
    circuit = Circuit.from_bytes(artifact.circuit)
    verify(circuit, artifact.client_spec)
    if message := what_to_warn_of(circuit, artifact.client_spec):
        warnings.warn(message, NoisyKeysetWarning, stacklevel=2)
    return CompiledModel(artifact, circuit)
