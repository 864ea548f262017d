"""Attacker: sends calls that no honest client makes, and judges how each of them ends."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import grpc
from cryptable_protocol import evaluation_keys
from cryptable_protocol.schemes import ring_tensor
from cryptable_protocol.schemes.bootstrapped import tensor
from cryptable_protocol.schemes.levelled import parameters as levelled_parameters
from cryptable_server import principals
from cryptable_server.calls import call_counter, grpc_entry, strangers
from cryptable_server.keys import store as key_store
from cryptable_server.keys import upload
from cryptable_server.models import store as model_store
from cryptable_server.services import inference

from fuzz.server_targets import REFLECTION, TARGETS, Attack, Material
from fuzz.told import Told

MODULES = [
    call_counter, tensor, ring_tensor, levelled_parameters, evaluation_keys,
    strangers, key_store, upload, model_store, principals, grpc_entry,
    inference,
]  # fmt: skip
EXCLUDED = (
    # Of bugs: no call may lead there.
    ("", "InternalError("),
    # Of time, of load, of full disks and quotas, of operators' settings: tests of their own.
    ("", "StreamTooSlowError("),
    ("", "TooManyCallsError("),
    ("", "StorageFullError("),
    ("", "QuotaExceededError("),
    ("", "ConfigurationError("),
    ("store:Catalogue.get", "stands for version"),
    ("principals:Authenticator._of_certificate", ""),
    # Of tensors that are not a caller's: the engine's, the client's.
    ("tensor:EncryptedTensor.ciphertexts", ""),
    ("tensor:EncryptedTensor.trimmed", ""),
    # Of levelled specifications, which only clients read, and of answers.
    ("parameters:_require", ""),
    ("parameters:LevelledParameters.read", ""),
    # Of rows whose form the front has checked before.
    ("ring_tensor:RingTensor.", ""),
    # Of strangers: the authenticator has said so before.
    ("strangers:StrangerInterceptor.intercept_service.refuse", ""),
    # Beyond what gRPC lets in.
    ("tensor:EncryptedTensor.from_message", "more than"),
    # What a message cannot express.
    ("tensor:EncryptedTensor.__post_init__", "either a seed or masks"),
    ("tensor:EncryptedTensor.__post_init__", "words of fewer than 64 bits"),
)
DEFINED = frozenset(
    {
        "OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "DATA_LOSS", "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED",
    }
)  # fmt: skip
"""UNAVAILABLE, INTERNAL, UNKNOWN, DEADLINE_EXCEEDED and ABORTED would tell of a crash, a bug or a hang. Only the
reflection service, which is grpcio's own, answers UNKNOWN to bytes that are no message."""
ROLES = {
    "mallory": "evaluate,upload",
    "uploader": "upload",
    "evaluator": "evaluate",
    "eve": "evaluate,upload",
    "operator": "admin",
}
SECONDS, THREADS = 60.0, 3


class Attacker:
    """Sends calls, and counts how they ended."""

    def __init__(self, channel: grpc.Channel, tokens: Mapping[str, str]) -> None:
        """`tokens` by who has them: those whom targets name."""
        self._channel = channel
        self._tokens = {**tokens, "stranger": "cryptable-token-of-nobody", "nobody": ""}
        self._mutex = threading.Lock()
        self.told = Told(MODULES, EXCLUDED)
        self.statuses: Counter[str] = Counter()
        self.failures: list[str] = []

    def make(self, attack: Attack, case: str) -> None:
        """One call."""
        method: Any = self._channel.stream_stream(attack.method)
        token = self._tokens[attack.who]
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        status, details = "OK", ""
        try:
            list(method(iter(attack.messages), timeout=SECONDS, metadata=metadata))
        except grpc.RpcError as error:
            status, details = cast(grpc.Call, error).code().name, cast(grpc.Call, error).details() or ""
        with self._mutex:
            self.statuses[f"{attack.method.rpartition('/')[2] or '/'}: {status}"] += 1
            self.told.count(details)
            if status not in DEFINED and not (attack.method == REFLECTION and status == "UNKNOWN"):
                self.failures.append(f"{case}, {attack.method}: {status}: {details}")

    def close(self) -> None:
        """End the connection."""
        self._channel.close()


def attack(attacker: Attacker, made: Material, cases: int) -> None:
    """So many cases, from a few threads."""
    left = iter(range(cases))
    mutex = threading.Lock()

    def work() -> None:
        while True:
            with mutex:  # one order of random choices, whatever the threads do
                number = next(left, None)
                if number is None:
                    return
                (target,) = made.random.choices([each for each, _ in TARGETS], [weight for _, weight in TARGETS])
                call = target(made)
            attacker.make(call, f"case {number} ({target.__name__})")

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
