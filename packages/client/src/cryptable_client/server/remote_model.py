"""RemoteModel: a model on a server, to be used like one at hand."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from cryptable_protocol import limits, messages
from cryptable_protocol.encoding.encoders import encode_rows
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Batch, read_batch
from cryptable_protocol.service import SERVICE_NAME, InferenceStub
from cryptable_protocol.wire.canonical import from_any_bytes

from cryptable_client.console.progress import byte_bar, wanted
from cryptable_client.errors import ServerError, SpecChangedError
from cryptable_client.files.answers import resumed
from cryptable_client.files.chunks import encoded_chunks
from cryptable_client.keys.encryption import check_keys
from cryptable_client.keys.evaluation_keys import spool
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.keys.spooled import SpooledEvaluationKeys
from cryptable_client.server.access import Access
from cryptable_client.server.bulk import BulkWay
from cryptable_client.server.meter import Meter
from cryptable_client.server.spot_checks import SpotCheckRun, SpotChecks
from cryptable_client.server.transport import typed_errors
from cryptable_client.server.trust import Trust
from cryptable_client.server.upload import EvaluationKeyUpload
from cryptable_client.server.ways import Way

_LIST_MODELS = f"/{SERVICE_NAME}/ListModels"
_GOODBYE_SECONDS = 5.0


@dataclass(frozen=True)
class ModelSummary:
    """A line of a server's list: `keyset_name` and `client_spec_digest` are SHA-256 in hexadecimal."""

    name: str
    version: str
    keyset_name: str
    client_spec_digest: str


def fetch_models(channel: grpc.Channel, *, timeout: float) -> list[ModelSummary]:
    """The server's list of models.

    Raises:
        ServerError: the server cannot be reached, or refuses.
        MalformedMessageError: the answer is no list of models, or larger than any.
    """
    # Bytes first: a parser makes dozens of bytes of the two that an empty entry takes.
    call: Callable[..., bytes] = channel.unary_unary(
        _LIST_MODELS, request_serializer=messages.inference.ListModelsRequest.SerializeToString
    )
    with typed_errors("listing the server's models"):
        answer = call(messages.inference.ListModelsRequest(), timeout=timeout)
    response = from_any_bytes(
        messages.inference.ListModelsResponse,
        answer,
        limit=limits.MAX_MODEL_LIST_BYTES,
        what="the server's list of models",
    )
    return [
        ModelSummary(model.name, model.version, model.keyset_name.hex(), model.client_spec_digest.hex())
        for model in response.models
    ]


@dataclass(frozen=True)
class Fetched:
    """A model as a server describes it: its specification and signer are checked, the rest is the server's word."""

    spec: ClientSpec
    version: str
    artifact_digest: bytes
    signer: str | None
    batch: Batch | None
    """How its server takes rows together, if it does in a way that is known here."""
    bulk: BulkSpec | None = None
    """Of rows in bulk, where the server evaluates the model so too."""


def fetch_spec(
    channel: grpc.Channel, access: Access, model: str, *, trust: Trust, meter: Meter | None = None
) -> Fetched:
    """A model's specification, checked as `trust` says, with its version and signer."""
    request = messages.inference.GetModelRequest(name=model)
    with typed_errors(f"fetching model {model!r}"):
        response = InferenceStub(channel).GetModel(request, timeout=access.timeout)
    if meter is not None:
        meter.count("spec", sent=request.ByteSize(), received=response.ByteSize())
    spec = ClientSpec.from_bytes(response.client_spec)
    if spec.model_name != model:
        raise MalformedMessageError(f"asked for model {model!r}, got the specification of {spec.model_name!r}")
    signer = trust.check(access, spec, response)
    version = response.version[: limits.MAX_NAME_LENGTH]
    batch, bulk = _batch(spec, response.packed, response.batch), _bulk(spec, response.bulk)
    return Fetched(spec, version, response.artifact_digest, signer, batch, bulk)


def _batch(spec: ClientSpec, *ways: bytes) -> Batch | None:
    """The first that is known here."""
    for data in filter(None, ways):
        with suppress(MalformedMessageError):  # of a later version, perhaps: else rows travel alone
            return read_batch(spec.parameters, data)
    return None


def _bulk(spec: ClientSpec, data: bytes) -> BulkSpec | None:
    try:
        return BulkSpec.from_bytes(data, spec) if data else None
    except MalformedMessageError:  # likewise
        return None


_SHOWN = 8
"""Columns and labels in a notebook."""


class RemoteModel:
    """A model on a server; made by `connect`, to be used in a `with` block.

    Rows are encoded and encrypted here and answers decrypted here: the server gets ciphertexts and evaluation keys.
    May be used from several threads.

    Attributes:
        spec: the model's specification, checked.
        version: the model's version as the developer named it.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        access: Access,
        *,
        model: str,
        trust: Trust,
        secret_keys: SecretKeys | None,
        evaluation_keys: str | os.PathLike[str] | None,
        progress: bool | None,
        spot_checks: SpotChecks | None = None,
        rows_together: bool | None = None,
        bulk: bool = True,
    ) -> None:
        self._channel = channel
        self._stub = InferenceStub(channel)
        self._timeout = access.timeout
        self._bars = wanted(progress)
        self._meter = Meter()
        self._upload: EvaluationKeyUpload | None = None
        self._own_keys: SecretKeys | None = None
        self._checks: SpotCheckRun | None = None
        self._bulk: BulkWay | None = None
        self._closed = False
        try:
            with self._meter.timed("spec"):
                fetched = fetch_spec(channel, access, model, trust=trust, meter=self._meter)
                self.spec, self.version = fetched.spec, fetched.version
            if spot_checks is not None:
                self._checks = SpotCheckRun(
                    spot_checks, self.spec, artifact=fetched.artifact_digest, signer=fetched.signer
                )
            if secret_keys is None:
                with self._meter.timed("secret_keys"):
                    secret_keys = self._own_keys = SecretKeys.generate(self.spec, security_bits=trust.security_bits)
            self._secret_keys = secret_keys
            self._check_keys()
            if self.spec.parameters.keyset.evaluation_keys_bytes:
                spooled = self._spooled(evaluation_keys)
                self._upload = EvaluationKeyUpload(
                    self._stub, spooled, timeout=self._timeout, bars=self._bars, meter=self._meter
                )
                with self._meter.timed("upload"):
                    self._upload.ensure()
            self._rows = Way(
                self._stub,
                self.spec,
                secret_keys,
                self._upload,
                timeout=self._timeout,
                meter=self._meter,
                batch=fetched.batch,
                is_near=access.is_loopback,
                wanted=rows_together,
            )
            if bulk and fetched.bulk is not None:
                self._bulk = BulkWay.of(
                    fetched.bulk,
                    self._stub,
                    timeout=self._timeout,
                    bars=self._bars,
                    meter=self._meter,
                    security_bits=trust.security_bits,
                )
        except BaseException:
            self.close()
            raise

    def predict(self, rows: npt.ArrayLike) -> npt.NDArray[Any]:
        """Labels (classifier) or values (regressor), of shape (rows,) or as the model's scores.

        Of shape (rows, 1) where the model's own library predicts a column.

        Args:
            rows: numbers of shape (rows, columns), or a frame with the model's column names.

        Raises:
            InvalidInputError: the rows do not fit the model; nothing was sent.
            ServerError: the server failed or refused; the subclass says how.
            MalformedMessageError: the answer is not of the model's form.
        """
        return self.spec.decoder.predict(self._evaluate(rows))

    def predict_chunks(
        self, chunks: Iterable[npt.ArrayLike], *, resume: str | os.PathLike[str] | None = None
    ) -> Iterator[npt.NDArray[Any]]:
        """Predictions for parts of a long table, as `predict`'s, each part evaluated when it is asked for.

        In the file `resume`, as secret as they are, answers are kept as they come: who was stopped passes the same
        chunks again, and those that it has are not sent. Removing it is the caller's.
        """
        if resume is not None and self._checks is not None:
            raise InvalidInputError("resume: spot checks judge the answers of one connection; leave one of both out")
        for values in resumed(encoded_chunks(self.spec.features, chunks), self._evaluate_encoded, self.spec, resume):
            yield self.spec.decoder.predict(values)

    def predict_proba(self, rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probabilities of shape (rows, labels); arguments and errors as for `predict`."""
        # A model without probabilities refuses here, before anything is sent.
        self.spec.decoder.require_probabilities()
        return self.spec.decoder.predict_proba(self._evaluate(rows))

    def decision_function(self, rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores of shape (rows,), or (rows, scores) where there are several; arguments and errors as for `predict`."""
        return self.spec.decoder.decision_function(self._evaluate(rows))

    def contributions(self, rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """What each score is a sum of: how much each of `contribution_names` adds to it, in the scores' unit.

        A score is its base value plus its contributions: exactly, but for the rounding of doubles. Only a model that
        was compiled with explain="contributions" gives them. Arguments and errors as for `predict`.

        Returns:
            Shape (rows, names), or (rows, scores, names) of a model with several scores.

        Raises:
            InvalidInputError: the model gives none; nothing was sent.
        """
        self.spec.decoder.require_contributions()
        return self.spec.decoder.contributions_of(self._evaluate(rows))

    @property
    def contribution_names(self) -> tuple[str, ...]:
        """Of features, or of pairs, whose contributions the model tells; empty where it tells none."""
        return self.spec.decoder.contributions

    @property
    def base_values(self) -> tuple[float, ...]:
        """Of each score: what its contributions are added to."""
        return self.spec.decoder.base_values

    @property
    def traffic(self) -> dict[str, int]:
        """Bytes of messages so far: "sent" and "received" in all, and by phase; "rows" counts the rows answered."""
        return self._meter.traffic

    @property
    def timings(self) -> dict[str, float]:
        """Seconds so far, by phase; "server_wall" and "server_cpu" are what the server says of its evaluations."""
        return self._meter.timings

    @property
    def secret_keys(self) -> SecretKeys:
        """The handle on the keys in use, for example to save them."""
        return self._secret_keys

    @property
    def spot_checks_answered(self) -> int:
        """Rows with known answers that were sent among the others and answered; 0 without `spot_checks`."""
        return 0 if self._checks is None else self._checks.answered

    def close(self) -> None:
        """End the connection. Keys made for it alone are destroyed, and their evaluation keys deleted on the server.

        Raises:
            WrongAnswersError: the verdict of spot checks, where there are any: the server answered some wrongly.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._take_leave()
        finally:
            # After all that is sent, which so is the same whatever the verdict.
            if self._checks is not None:
                self._checks.give_verdict(self._secret_keys)

    def _take_leave(self) -> None:
        try:
            if self._bulk is not None:
                self._bulk.close(timeout=min(self._timeout, _GOODBYE_SECONDS))
            if self._own_keys is not None and self._upload is not None:
                with suppress(ServerError):  # where this fails, the server forgets them in its own time
                    self._upload.delete(timeout=min(self._timeout, _GOODBYE_SECONDS))
        finally:
            if self._own_keys is not None:
                self._own_keys.close()
            self._channel.close()

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        """For notebooks."""
        spec, sent = self.spec, self.traffic
        rows = {
            "model": f"{spec.model_name}, version {self.version}{', closed' if self._closed else ''}",
            "columns": ", ".join(spec.feature_names[:_SHOWN]) + (", …" if len(spec.feature_names) > _SHOWN else ""),
            "predicts": "numbers" if spec.decoder.labels is None else ", ".join(map(str, spec.decoder.labels[:_SHOWN])),
            "scheme": f"{spec.scheme}, keyset {spec.parameters.keyset.name.hex()[:16]}",
            "traffic": f"{sent['sent']:,} bytes sent, {sent['received']:,} received, {sent['rows']:,} rows answered",
        }
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(told)}</td></tr>" for name, told in rows.items())
        return f"<table>{cells}</table>"

    def __repr__(self) -> str:
        return f"<RemoteModel {self.spec.model_name!r}, version {self.version!r}{', closed' if self._closed else ''}>"

    def _check_keys(self) -> None:
        self._secret_keys._look_again()
        self._secret_keys.check_may_encrypt()
        check_keys(self.spec, self._secret_keys)

    def _spooled(self, path: str | os.PathLike[str] | None) -> SpooledEvaluationKeys:
        with self._meter.timed("evaluation_keys"), byte_bar("making evaluation keys", shown=self._bars) as update:
            spooled = self._secret_keys._spooled(lambda keys: spool(keys, path=path, progress=update))
            if path is not None:
                spooled.keep(path)
            return spooled

    def evaluate(self, encoded: npt.NDArray[np.int64], spec: ClientSpec) -> npt.NDArray[np.int64]:
        """Decrypted integers for rows that are encoded already.

        Args:
            encoded: integers of shape (rows, spec.parameters.inputs).
            spec: that they are encoded with; a server whose specification is another by now is not sent them.

        Returns:
            Integers of shape (rows, spec.parameters.outputs).
        """
        if self.spec != spec:
            raise SpecChangedError(
                f"model {spec.model_name!r} was replaced while its rows were encoded: run again", code="CHANGED"
            )
        return self._evaluate_encoded(encoded)

    @property
    def evaluation_keys_digest(self) -> bytes | None:
        """SHA-256 of the evaluation keys that the server has; None where the model needs none."""
        return None if self._upload is None else self._upload.header.sha256

    def _evaluate(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        self._check_open()
        return self._evaluate_encoded(encode_rows(self.spec.features, rows))

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidInputError("this connection is closed: connect again")

    def _evaluate_encoded(self, encoded: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        self._check_open()
        self._check_keys()
        if self._checks is None:
            return self._answers_to(encoded)
        batch = self._checks.amid(encoded, self._secret_keys)
        return self._checks.take(batch, self._answers_to(batch.rows))

    def _answers_to(self, encoded: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """By the way that is the least work."""
        with self._meter.timed("predict"):
            if self._bulk is None:
                return self._rows.answers(encoded)
            in_bulk = self._bulk.rows_of(len(encoded))
            found = [self._bulk.answers(encoded[:in_bulk])] if in_bulk else []
            return np.concatenate([*found, self._rows.answers(encoded[in_bulk:])])
