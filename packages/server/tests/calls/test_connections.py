"""Connections that say nothing, callers who never read, and what is left for the others."""

import resource
import socket
from contextlib import ExitStack, closing, contextmanager

import grpc
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import InferenceStub
from cryptable_server.calls.connections import hang_up
from waiting import until

_SILENT = 150


@pytest.mark.parametrize(("family", "host", "kind"), [("AF_INET", "127.0.0.1", "ipv4"), ("AF_INET6", "::1", "ipv6")])
def test_hanging_up_ends_the_connection_of_that_caller_alone(family, host, kind):
    with socket.create_server((host, 0), family=getattr(socket, family)) as listening, ExitStack() as open_ones:
        callers = [open_ones.enter_context(socket.create_connection(listening.getsockname()[:2])) for _ in range(2)]
        accepted = [open_ones.enter_context(closing(listening.accept()[0])) for _ in callers]
        by_port = {connection.getpeername()[1]: connection for connection in accepted}
        port = callers[0].getsockname()[1]
        shown = f"[{host}]" if kind == "ipv6" else host
        assert hang_up(f"{kind}:{shown}:{port}".replace("[", "%5B").replace("]", "%5D")) == 1
        assert callers[0].recv(1) == b""
        by_port[callers[1].getsockname()[1]].sendall(b"x")
        assert callers[1].recv(1) == b"x"
        assert hang_up(f"{kind}:{shown}:1") == 0


@contextmanager
def silent(address, count=_SILENT):
    """So many TCP connections on which nothing is ever sent."""
    host, _, port = address.rpartition(":")
    with ExitStack() as connections:
        yield [connections.enter_context(socket.create_connection((host, int(port)))) for _ in range(count)]


def is_closed(connection):
    """Whether the server has closed it."""
    connection.setblocking(False)
    try:
        while connection.recv(4096):  # what a server sends first
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_served(address, seconds):
    """Whether a caller who knocks anew gets an answer within that time."""
    with grpc.insecure_channel(address) as channel:
        return InferenceStub(channel).ListModels(pb.ListModelsRequest(), timeout=seconds, wait_for_ready=True).models


@contextmanager
def soft_limit(files):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_low_soft_limit_is_raised(start):
    with ExitStack() as running:
        with soft_limit(100):
            server = running.enter_context(start())
        assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] > 1000
        with silent(server.address):
            assert is_served(server.address, 10)


def test_where_connections_are_few_the_silent_ones_make_room(start):
    with start("--max-connections", 50, "--handshake-timeout", 3) as server, silent(server.address) as connections:
        assert is_served(server.address, 60)
        until(lambda: all(map(is_closed, connections)))


def never_read(address, messages):
    """A caller of a model, with the smallest window that there is, who never makes it larger."""
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 0), ("grpc.use_local_subchannel_pool", 1)]
    channel = grpc.insecure_channel(address, options=options)
    return channel, InferenceStub(channel).Infer(messages)


def test_a_caller_who_never_reads_holds_a_call_no_longer_than_it_may_be_idle(start, artifacts, wire):
    spec = artifacts["linear"].client_spec
    with start("--idle-timeout", 3, "--max-calls", 2) as server, ExitStack() as ended:
        for _ in range(2):
            channel, call = never_read(server.address, wire.infer_messages(spec, rows=100))
            ended.callback(lambda call: call.cancel(), call)
            ended.callback(channel.close)
        assert "was not taken for 3 s" in server.wait_for("Infer", status="DEADLINE_EXCEEDED")["reason"]
        until(lambda: len(server.events("Infer")) == 2)
        assert server.infer(spec)  # their places are free
        until(lambda: [line["connections"] for line in server.events("hung up")] == [1, 1])
        assert server.infer(spec)  # on a connection of its own, which goes on
        assert not [line for line in server.log.read_text().splitlines() if "traceback" in line]


def test_a_caller_who_reads_late_gets_what_was_sent_and_why_there_is_no_more(start, artifacts, wire):
    spec = artifacts["linear"].client_spec
    answers, options = [], [("grpc.http2.bdp_probe", 0)]
    with start("--idle-timeout", 5) as server, grpc.insecure_channel(server.address, options=options) as channel:
        call = InferenceStub(channel).Infer(wire.infer_messages(spec, rows=2000))
        server.wait_for("Infer", status="DEADLINE_EXCEEDED")
        with pytest.raises(grpc.RpcError) as caught:
            answers.extend(call)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert [answer.row for answer in answers] == list(range(len(answers)))
        assert not server.events("hung up")
