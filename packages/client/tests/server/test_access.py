"""Arguments of a connection are checked before anything is sent: addresses, time limits, what excludes each other."""

import pytest
from cryptable_client.server.access import is_loopback
from cryptable_client.server.connection import Server, connect, fetch_spec, list_models
from cryptable_protocol import InvalidInputError


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_timeouts_are_checked_for_every_call(timeout):
    for call in (list_models, lambda address, **options: fetch_spec(address, model="m", **options)):
        with pytest.raises(InvalidInputError, match="positive number of seconds"):
            call("localhost:1", timeout=timeout)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "host:",
        ":50051",
        "host:0",
        "host:65536",
        "host:x",
        "dns:///host:1",
        "unix:/tmp/s",
        "a:1,b:2",
        "a b:1",
    ],
)
def test_malformed_addresses(address):
    with pytest.raises(InvalidInputError, match="host:port"):
        connect(address, model="m")


@pytest.mark.parametrize("address", ["example.org:1", "10.0.0.1:1", "0.0.0.0:1", "[2001:db8::1]:1", "localhost.a:1"])
def test_insecure_is_for_this_machine_only(address):
    with pytest.raises(InvalidInputError, match="another: use TLS"):
        connect(address, model="m", insecure=True)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.3.2.1", "::1"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"model": ""}, "1 to 256 characters"),
        ({"model": "m" * 257}, "1 to 256 characters"),
        ({"evaluation_keys": "file"}, "secret_keys"),
        ({"root_certificates": b"not PEM"}, "PEM"),
        ({"root_certificates": "no-such-file.pem"}, "cannot be read"),
        ({"root_certificates": b"-----BEGIN CERTIFICATE-----", "insecure": True}, "no TLS"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(InvalidInputError, match=message):
        connect("localhost:1", **{"model": "m", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [({"timeout": -1}, "positive"), ({"signer": "00"}, "public key"), ({"insecure": True}, "use TLS")],
)
def test_a_server_refuses_arguments_at_once(options, message):
    with pytest.raises(InvalidInputError, match=message):
        Server("example.org:1", **options)
