"""Certificates that change, cannot be read for a while, or expire, while a server runs or before it starts."""

import contextlib
import json
import logging
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request

import grpc
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import InferenceStub
from cryptable_server.calls.tls import credentials
from cryptable_server.calls.tls.certificates import Certificates
from cryptable_server.commands import doctor
from cryptable_server.errors import ConfigurationError
from waiting import until


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes a certificate that is valid for so many days."""

    def make(name, days=365.0):
        monkeypatch.setattr(credentials, "_VALID_DAYS", days)
        files = credentials.TlsFiles(
            certificate=tmp_path / name / "certificate.pem", private_key=tmp_path / name / "key.pem"
        )
        (tmp_path / name).mkdir()
        credentials._make(files)
        return files

    return make


def put(source, target):
    """Another certificate and key in the place of these."""
    shutil.copy(source.certificate, target.certificate)
    shutil.copy(source.private_key, target.private_key)


def events(caplog):
    return [(record.message, record.levelname) for record in caplog.records]


def test_files_are_read_again_when_they_change(made, caplog):
    caplog.set_level(logging.INFO)
    files, other = made("one"), made("two", days=100)
    certificates = Certificates(files)
    certificates.refresh()
    assert events(caplog) == []
    assert certificates.expiries["tls-certificate"].seconds_left > 364 * 86400
    put(other, files)
    certificates.refresh()
    assert certificates.expiries["tls-certificate"].seconds_left < 101 * 86400
    assert events(caplog) == [("certificates read", "INFO")]


@pytest.mark.parametrize("spoil", ["half", "garbage", "gone", "FIFO"])
def test_what_cannot_be_read_leaves_what_was_read_before(made, caplog, spoil):
    files, other = made("one"), made("two", days=100)
    certificates = Certificates(files)
    if spoil == "half":  # a renewal that has written one file of two
        shutil.copy(other.certificate, files.certificate)
    elif spoil == "garbage":
        files.certificate.write_text("garbage")
    else:
        files.certificate.unlink()
        if spoil == "FIFO":
            os.mkfifo(files.certificate)
    for _ in range(2):
        certificates.refresh()
    assert certificates.expiries["tls-certificate"].seconds_left > 364 * 86400
    assert events(caplog) == [("certificates cannot be read; those read before stay", "ERROR")]  # once
    files.certificate.unlink(missing_ok=True)
    put(other, files)
    certificates.refresh()
    assert certificates.expiries["tls-certificate"].seconds_left < 101 * 86400


def test_expiry_is_told_when_it_comes_near_and_when_it_is_there(made, caplog):
    files = made("one", days=29)
    certificates = Certificates(files)
    for _ in range(2):
        certificates.remind()
    put(made("two", days=-0.01), files)
    for _ in range(2):
        certificates.refresh()
    assert events(caplog) == [("certificate expires", "WARNING"), ("certificate expires", "ERROR")]
    assert caplog.records[0].facts["days"] == 29.0
    assert "expired on" in caplog.records[1].facts["certificate"]


def test_a_certificate_that_is_good_for_long_is_not_spoken_of(made, caplog):
    Certificates(made("one", days=31)).remind()
    assert events(caplog) == []


def test_authorities_of_callers_are_watched_too(made, caplog):
    authority = made("authority", days=3)
    certificates = Certificates(made("one"), authority.certificate)
    certificates.remind()
    assert caplog.records[0].facts["setting"] == "client-ca"
    authority.certificate.write_text("garbage")
    with pytest.raises(ConfigurationError, match="--client-ca"):
        Certificates(made("two"), authority.certificate)


def test_a_running_server_shows_a_renewed_certificate(start, made):
    files, renewed = made("one"), made("two")
    with start("--tls-certificate", files.certificate, "--tls-key", files.private_key) as server:
        port = int(server.address.rpartition(":")[2])

        def shown():
            return ssl.get_server_certificate(("127.0.0.1", port))

        first = grpc.ssl_channel_credentials(files.certificate.read_bytes())
        with grpc.secure_channel(f"localhost:{port}", first) as channel:
            stub = InferenceStub(channel)
            assert stub.ListModels(pb.ListModelsRequest()).models
            before = shown()
            put(renewed, files)
            server.wait_for("certificates read")
            until(lambda: shown() != before)
            assert ssl.PEM_cert_to_DER_cert(shown()) == ssl.PEM_cert_to_DER_cert(renewed.certificate.read_text())
            assert stub.ListModels(pb.ListModelsRequest()).models  # a connection that is open goes on
        second = grpc.ssl_channel_credentials(renewed.certificate.read_bytes())
        with grpc.secure_channel(f"localhost:{port}", second) as channel:
            assert InferenceStub(channel).ListModels(pb.ListModelsRequest()).models


def test_a_server_tells_that_its_certificate_has_expired(start, made):
    files = made("one", days=-0.01)
    with start("--tls-certificate", files.certificate, "--tls-key", files.private_key) as server:
        (told,) = server.events("certificate expires")
        assert (told["level"], told["setting"]) == ("error", "tls-certificate")
        (metrics,) = server.events("metrics")
        with urllib.request.urlopen(f"http://{metrics['address']}/metrics", timeout=60) as page:
            (seconds,) = re.findall(
                r'^cryptable_certificate_seconds_left\{setting="tls-certificate"\} (.*)', page.read().decode(), re.M
            )
        assert -3600 < float(seconds) < 0


@pytest.mark.parametrize(("days", "severity"), [(365, "good"), (20, "warning"), (-0.01, "bad")])
def test_when_it_expires_decides_how_grave_that_is(made, days, severity):
    found = doctor._certificate(made("one", days).certificate)
    assert found.severity == severity
    assert bool(found.advice) == (severity != "good")


def test_doctor_tells_when_it_expires(made, tmp_path):
    command = [sys.executable, "-m", "cryptable_server", "doctor", "--json", "--keys", tmp_path / "keys"]
    command += ["--tls-certificate", made("one", -0.01).certificate]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600, check=False)
    (found,) = [finding for finding in json.loads(done.stdout) if finding["what"] == "certificate"]
    assert (found["severity"], bool(found["advice"])) == ("bad", True)


def test_who_speaks_no_tls_fills_no_log(start, made):
    files = made("one")
    with start("--tls-certificate", files.certificate, "--tls-key", files.private_key) as server:
        before = server.log.stat().st_size
        host, _, port = server.address.rpartition(":")
        for _ in range(200):
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(OSError):
                    stranger.recv(1)
        assert server.log.stat().st_size - before < 1000
