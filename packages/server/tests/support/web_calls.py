"""Calls over HTTP as a page makes them, and as nobody should."""

import contextlib
import http.client
import json
import socket

from cryptable_protocol.service import SERVICE_NAME

ORIGIN = "https://page.example.org"
MESSAGE = "application/proto"
STATUSES = {"canceled": "CANCELLED"}


def address_of(server):
    """Host and port where the server answers pages."""
    host, port = server.events("web ready")[-1]["address"].rsplit(":", 1)
    return host, int(port)


class Answer:
    """Status, headers and body of a response."""

    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def code(self):
        """As gRPC names the status."""
        if self.status == 200:
            return "OK"
        code = json.loads(self.body)["code"]
        return STATUSES.get(code, code.upper())

    @property
    def message(self):
        return json.loads(self.body)["message"].partition(" [request")[0]


def post(server, method, body, *, origin=ORIGIN, http_method="POST", path=None, **headers):
    """One request; header names have underscores for dashes."""
    host, port = address_of(server)
    connection = http.client.HTTPConnection(host, port, timeout=60)
    sent = {"content-type": MESSAGE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if origin is not None:
        sent["origin"] = origin
    sent = {name: value for name, value in sent.items() if value is not None}
    try:
        data = body if isinstance(body, bytes) else body.SerializeToString()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # as in `raw`
            connection.request(http_method, path or f"/{SERVICE_NAME}/{method}", data, sent)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def raw(server, data, *, wait=30.0):
    """Send bytes and read until the server closes; what came, or None where it left the connection open."""
    with socket.create_connection(address_of(server), timeout=wait) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough, and may have answered
            connection.sendall(data)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            return None
        except ConnectionResetError:
            pass
        return received
