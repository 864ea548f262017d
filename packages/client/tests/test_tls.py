"""Connections over TLS: to a server whose certificate is vouched for, and to none other."""

import datetime

import numpy as np
import pytest
from cryptable_client.connection import connect
from cryptable_client.errors import ServerError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def self_signed(host):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture(scope="module")
def certificates():
    return {host: self_signed(host) for host in ("localhost", "elsewhere.example")}


def rows_through(servicer_module, spec, served_with, **options):
    echo = servicer_module.EchoServicer(spec)
    with (
        servicer_module.serving_with_tls(echo, *served_with) as address,
        connect(address, model="echo", timeout=5, **options) as remote,
    ):
        return remote.predict([[22.0, 3.0]])


@pytest.mark.parametrize("form", ["bytes", "path"])
def test_a_certificate_that_is_vouched_for(servicer_module, spec_without_lookups, certificates, tmp_path, form):
    certificate, _ = certificates["localhost"]
    (tmp_path / "root.pem").write_bytes(certificate)
    roots = certificate if form == "bytes" else tmp_path / "root.pem"
    answer = rows_through(servicer_module, spec_without_lookups, certificates["localhost"], root_certificates=roots)
    np.testing.assert_array_equal(answer, [[1, 1, 1, 0, 0, 6]])


@pytest.mark.parametrize(
    ("served", "trusted"),
    [("localhost", None), ("localhost", "elsewhere.example"), ("elsewhere.example", "elsewhere.example")],
    ids=["public authorities only", "another root", "certificate of another host"],
)
def test_a_certificate_that_is_not(servicer_module, spec_without_lookups, certificates, served, trusted):
    roots = None if trusted is None else certificates[trusted][0]
    with pytest.raises(ServerError) as caught:
        rows_through(servicer_module, spec_without_lookups, certificates[served], root_certificates=roots)
    assert caught.value.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def test_no_tls_to_a_server_with_it(servicer_module, spec_without_lookups, certificates):
    with pytest.raises(ServerError):
        rows_through(servicer_module, spec_without_lookups, certificates["localhost"], insecure=True)
