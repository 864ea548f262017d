import datetime
import ssl
import stat

import pytest
from cryptable_server.calls.tls import credentials
from cryptable_server.errors import ConfigurationError
from cryptography import x509


def test_development_certificate_is_made_once(tmp_path):
    files = credentials.development_files(tmp_path / "new")
    assert stat.S_IMODE(files.private_key.stat().st_mode) == 0o600
    before = files.certificate.read_bytes()
    assert credentials.development_files(tmp_path / "new") == files
    assert files.certificate.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["certificate.pem", "private-key.pem"]


def test_development_certificate_is_for_this_machine_alone(tmp_path):
    files = credentials.development_files(tmp_path)
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(name) for name in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_development_certificate_is_renewed_before_it_expires(tmp_path, monkeypatch):
    monkeypatch.setattr(credentials, "_VALID_DAYS", 3)
    files = credentials.development_files(tmp_path)
    before = files.certificate.read_bytes()
    monkeypatch.undo()
    credentials.development_files(tmp_path)
    after = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert files.certificate.read_bytes() != before
    assert after.not_valid_after_utc > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=300)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.private_key)


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="--development-certificate"):
        credentials.development_files(tmp_path / "file")


def test_garbage_in_place_of_a_certificate_is_named(tmp_path):
    for name in ("certificate.pem", "private-key.pem"):
        (tmp_path / name).write_text("garbage")
    with pytest.raises(ConfigurationError, match="--development-certificate"):
        credentials.development_files(tmp_path)


def test_pair_is_read(tmp_path):
    files = credentials.development_files(tmp_path)
    assert credentials.read_pair(files) == (files.private_key.read_bytes(), files.certificate.read_bytes())


@pytest.mark.parametrize("broken", ["missing", "garbage", "foreign"])
def test_a_pair_that_does_not_fit_is_refused(tmp_path, broken):
    files = credentials.development_files(tmp_path / "a")
    key = tmp_path / "key.pem"
    if broken == "garbage":
        key.write_text("garbage")
    elif broken == "foreign":
        key.write_bytes(credentials.development_files(tmp_path / "b").private_key.read_bytes())
    with pytest.raises(ConfigurationError, match="--tls-key"):
        credentials.read_pair(credentials.TlsFiles(certificate=files.certificate, private_key=key))
