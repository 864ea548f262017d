"""The package's surface, and what importing it loads."""

from __future__ import annotations

import subprocess
import sys

import cryptable_protocol
import pytest


def test_exported_names_are_there() -> None:
    assert all(hasattr(cryptable_protocol, name) for name in cryptable_protocol.__all__)


def in_fresh_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_loads_no_grpc() -> None:
    heavy = ["grpc", "concrete", "torch", "sklearn", "onnx", "pandas", "scipy"]
    code = "import sys, cryptable_protocol, cryptable_protocol.messages; print([n for n in {} if n in sys.modules])"
    assert in_fresh_process(code.format(heavy)) == "[]"
    assert in_fresh_process(code.format(["numpy", "google.protobuf"])) == "['numpy', 'google.protobuf']"


def test_service_needs_grpc() -> None:
    """So the test above looks for what would be there."""
    pytest.importorskip("grpc")
    code = "import sys, cryptable_protocol.service as s; print('grpc' in sys.modules, s.SERVICE_NAME)"
    assert in_fresh_process(code) == "True cryptable.v1.Inference"


def test_exception_tree() -> None:
    from cryptable_protocol import errors

    assert issubclass(errors.InvalidInputError, ValueError)
    assert issubclass(errors.LimitExceededError, errors.MalformedMessageError)
    assert not issubclass(errors.InternalError, (errors.InvalidInputError, errors.MalformedMessageError))
    own = [each for each in vars(errors).values() if isinstance(each, type)]
    assert all(issubclass(each, errors.CryptableError) for each in own)
