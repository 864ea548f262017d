"""The messages that we build are, byte for byte, those that Concrete writes."""

from __future__ import annotations

import numpy as np
import pytest
from cryptable_engine import EvaluationError
from cryptable_engine.schemes.bootstrapped.concrete.messages import _schema, keyset_message, read_value, value_message

pytestmark = pytest.mark.xdist_group("clients of Concrete")


@pytest.mark.parametrize("name", ["shared", "chain"])
def test_a_keyset_message_holds_what_concretes_holds(name, programs, concrete_clients):
    client = concrete_clients(name)
    ours = keyset_message(programs(name).keyset, memoryview(client.evaluation_keys))
    theirs = client.server_keyset_message
    with (
        _schema().ServerKeyset.from_bytes(ours, traversal_limit_in_words=1 << 61) as one,
        _schema().ServerKeyset.from_bytes(theirs, traversal_limit_in_words=1 << 61) as other,
    ):
        for kind in ("lweBootstrapKeys", "lweKeyswitchKeys"):
            for mine, its in zip(getattr(one, kind), getattr(other, kind), strict=True):
                assert mine.info.to_dict() == its.info.to_dict()
                assert list(mine.payload.data) == list(its.payload.data)
    assert len(ours) == len(theirs)


def test_a_value_message_is_concretes_own(programs, concrete_clients):
    program, client = programs("linear"), concrete_clients("linear")
    theirs = client.input_message(np.array([1, 1, 0, 0, 77]))
    dimension = program.keyset.dimensions[program.input.key]
    ours = value_message(read_value(theirs, program.input.size, dimension), program.input, dimension)
    with _schema().Value.from_bytes(ours) as one, _schema().Value.from_bytes(theirs) as other:
        assert one.to_dict() == other.to_dict()


def test_a_result_of_another_shape_is_our_error(programs):
    program = programs("linear")
    dimension = program.keyset.dimensions[program.input.key]
    message = value_message(np.zeros((5, dimension + 1), np.uint64), program.input, dimension)
    with pytest.raises(EvaluationError, match=r"expected \[4, "):
        read_value(message, 4, dimension)
