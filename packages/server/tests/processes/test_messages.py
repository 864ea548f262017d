import json
import math
import os
import socket
from dataclasses import fields

import pytest
from cryptable_server.processes.channel import Channel
from cryptable_server.processes.messages import (
    FAILURES,
    Done,
    Evaluate,
    Failed,
    Forget,
    KeysFile,
    Load,
    Ready,
    Report,
    Unload,
    UnreadableMessageError,
    facts_of,
    message_of,
)
from hypothesis import given
from hypothesis import strategies as st

TEXTS, SIZES, SECONDS = st.text(), st.integers(0), st.floats(0, allow_nan=False, allow_infinity=False)
KEYS = st.builds(KeysFile, TEXTS, TEXTS, TEXTS, SIZES)
MESSAGES = st.one_of(
    st.builds(Load, TEXTS),
    st.builds(Unload, TEXTS),
    st.builds(Forget, TEXTS),
    st.just(Report()),
    st.builds(Evaluate, TEXTS, st.none() | KEYS, SIZES, TEXTS, st.none() | SIZES),
    st.just(Ready()),
    st.builds(Done, SECONDS, SECONDS, SECONDS, SECONDS, st.none() | st.booleans(), SIZES),
    st.builds(Failed, st.sampled_from(list(FAILURES)), TEXTS),
)
DONE = Done(1.0, 2.0, 0.1, 0.5, True, 3)


@given(MESSAGES)
def test_a_message_is_read_as_it_was_sent(message):
    assert message_of(json.loads(json.dumps(facts_of(message)))) == message


@given(MESSAGES, st.data())
def test_no_field_is_left_out_or_added(message, data):
    facts = facts_of(message)
    del facts[data.draw(st.sampled_from(sorted(facts)))]
    for changed in (facts, {**facts_of(message), "more": 1}):
        with pytest.raises(UnreadableMessageError):
            message_of(changed)


@given(MESSAGES.filter(fields), st.data())
def test_no_field_is_of_another_type(message, data):
    facts = facts_of(message)
    field = data.draw(st.sampled_from([field.name for field in fields(message)]))
    for value in ([], {}, -1, -1.0, b"", *([] if isinstance(facts[field], str) else ["1"])):
        with pytest.raises(UnreadableMessageError):
            message_of({**facts, field: value})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"wall_seconds": math.nan}, "wall_seconds is nan"),
        ({"wall_seconds": math.inf}, "wall_seconds is inf"),
        ({"wall_seconds": -0.1}, "wall_seconds is -0.1"),
        ({"wall_seconds": None}, "wall_seconds is a NoneType, expected float"),
        ({"lookups": True}, "lookups is a bool, expected int"),
        ({"lookups": 3.0}, "lookups is a float, expected int"),
        ({"keys_cached": 1}, "keys_cached is a int, expected bool"),
    ],
)
def test_what_is_wrong_is_told(changed, told):
    with pytest.raises(UnreadableMessageError, match=told):
        message_of({**facts_of(DONE), **changed})


@pytest.mark.parametrize(
    "facts",
    [None, [], "load", {}, {"what": None}, {"what": ["load"]}, {"what": "Load", "program": ""}, {"program": ""}],
)
def test_what_is_no_message(facts):
    with pytest.raises(UnreadableMessageError, match="no message"):
        message_of(facts)


def test_a_part_is_a_number_or_none():
    facts = facts_of(Evaluate("program", part=0))
    assert message_of(facts) == Evaluate("program", part=0)
    with pytest.raises(UnreadableMessageError, match=r"Evaluate\.part is a bool"):
        message_of({**facts, "part": False})


def test_keys_are_checked_as_the_message_is():
    facts = facts_of(Evaluate("program", KeysFile("name", "00", "/keys", 1)))
    facts["keys"]["memory_bytes"] = "1"
    with pytest.raises(UnreadableMessageError, match=r"KeysFile\.memory_bytes is a str"):
        message_of(facts)


def test_an_error_that_nobody_knows():
    with pytest.raises(UnreadableMessageError, match="'unheard', expected one of keys_not_found"):
        message_of({"what": "failed", "error": "unheard", "message": ""})


@pytest.fixture
def ends():
    pair = [Channel(end.detach()) for end in socket.socketpair()]
    yield pair
    for end in pair:
        end.close()


def test_a_channel_carries_messages_and_bytes(ends):
    front, worker = ends
    front.send(Evaluate("program"), b"row")
    front.send(Report())
    assert [worker.receive(), worker.receive()] == [(Evaluate("program"), b"row"), (Report(), b"")]
    worker.send(DONE, b"answer")
    assert front.wait(60)
    assert front.receive() == (DONE, b"answer")


@pytest.mark.parametrize("facts", [b"", b"\xff", b"{}", b"[" * 30_000, b'{"what": "load", "program": 1}', b"NaN"])
def test_what_is_no_message_ends_a_channel(ends, facts):
    front, worker = ends
    worker._connection.send_bytes(facts)
    worker._connection.send_bytes(b"")
    with pytest.raises(OSError, match="sent"):
        front.receive()


def test_too_much_ends_a_channel(ends):
    front, worker = ends
    worker._connection.send_bytes(b" " * ((1 << 16) + 1))
    with pytest.raises(OSError, match="bad message length"):
        front.receive()


def test_an_end_that_is_closed(ends):
    front, worker = ends
    worker.close()
    with pytest.raises((EOFError, OSError)):
        front.receive()
    with pytest.raises(OSError, match=os.strerror(32)):
        front.send(Report())
