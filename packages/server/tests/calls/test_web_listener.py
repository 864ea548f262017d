"""Where pages call: connections, TLS with HTTP/2, and certificates that change."""

import hashlib
import http.client
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.events
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import SERVICE_NAME
from cryptable_server.calls.tls.credentials import development_files
from waiting import until
from web_calls import ORIGIN, address_of, post, raw

WEB = ("--web-address", "127.0.0.1:0", "--web-origins", ORIGIN)


def test_connections_beyond_the_most_are_closed(start):
    with start(*WEB, "--max-connections", "3", "--handshake-timeout", "1") as server:
        held = [socket.create_connection(address_of(server)) for _ in range(3)]
        try:
            time.sleep(0.2)
            assert raw(server, b"", wait=5.0) == b""
        finally:
            for connection in held:
                connection.close()
        until(lambda: answers(server))


def answers(server):
    """Whether it answers: a connection beyond the most is closed, or reset."""
    try:
        return post(server, "ListModels", pb.ListModelsRequest()).status == 200
    except (http.client.HTTPException, OSError):
        return False


@pytest.fixture(scope="module")
def over_tls(start, tmp_path_factory):
    """A server over TLS, and its files."""
    files = development_files(tmp_path_factory.mktemp("tls"))
    options = ("--tls-certificate", files.certificate, "--tls-key", files.private_key)
    with start(*WEB, *options) as server:
        yield server, files


def test_over_tls_by_http_2(over_tls):
    server, files = over_tls
    host, port = address_of(server)
    context = ssl.create_default_context(cafile=files.certificate)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() in ("TLSv1.2", "TLSv1.3")
        spoken = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        spoken.initiate_connection()
        path = f"/{SERVICE_NAME}/ListModels"
        headers = [(":method", "POST"), (":path", path), (":scheme", "https"), (":authority", f"localhost:{port}")]
        spoken.send_headers(1, [*headers, ("content-type", "application/proto"), ("origin", ORIGIN)], end_stream=True)
        connection.sendall(spoken.data_to_send())
        body, status, ended = b"", None, False
        while not ended:
            for event in spoken.receive_data(connection.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers)[b":status"]
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                ended = ended or isinstance(event, h2.events.StreamEnded)
            connection.sendall(spoken.data_to_send())
    assert status == b"200"
    assert len(pb.ListModelsResponse.FromString(body).models) == 2


def test_a_new_certificate_is_shown(over_tls):
    server, files = over_tls
    before = shown(server)
    files.private_key.unlink()
    development_files(files.private_key.parent)
    until(lambda: shown(server) != before, about=server.log.read_text)


def shown(server):
    """The digest of its certificate."""
    host, port = address_of(server)
    return hashlib.sha256(ssl.get_server_certificate((host, port)).encode()).digest()
