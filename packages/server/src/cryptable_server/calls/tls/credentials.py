"""The files of TLS: what they must hold, and a self-signed certificate for development on one machine."""

from __future__ import annotations

import datetime
import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptable_protocol import InternalError
from cryptable_protocol.files.whole import whole_file
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cryptable_server.errors import ConfigurationError
from cryptable_server.files.regular_files import read_regular
from cryptable_server.settings.config import ServerConfig

_CERTIFICATE = "certificate.pem"
_PRIVATE_KEY = "private-key.pem"
_VALID_DAYS = 365
_RENEW_DAYS = 7
_MAX_FILE_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """Certificate chain and private key, PEM."""

    certificate: Path
    private_key: Path


def tls_files(config: ServerConfig) -> TlsFiles | None:
    """The server's certificate and key, made if they are to be; None: no TLS.

    Raises:
        ConfigurationError: those for development cannot be made.
    """
    if config.insecure:
        return None
    if config.tls_certificate is not None and config.tls_key is not None:
        return TlsFiles(certificate=config.tls_certificate, private_key=config.tls_key)
    return _development_files(config)


def own_certificate(config: ServerConfig) -> tuple[Path, str] | None:
    """What a caller on this machine trusts to reach this server, PEM, and a name in it; None: no TLS.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate with a name.
    """
    if config.insecure:
        return None
    path = config.tls_certificate
    if path is None:
        if config.development_certificate is None:
            raise InternalError("a configuration without a certificate")
        path = config.development_certificate / _CERTIFICATE
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise ConfigurationError(f"certificate {path}: {error}") from error
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    if not found:
        raise ConfigurationError(f"certificate {path} names no host")
    return path, found[0].replace("*", "any", 1)


def _development_files(config: ServerConfig) -> TlsFiles:
    if config.development_certificate is None:
        raise InternalError("a configuration without a certificate")
    files = development_files(config.development_certificate)
    sys.stderr.write(
        f"cryptable-server: clients on this machine must be told to trust {files.certificate}\n"
        f'  as in: connect("{config.address}", model=…, root_certificates="{files.certificate}")\n'
    )
    return files


def development_files(directory: Path) -> TlsFiles:
    """A self-signed certificate for localhost in `directory`, made if there is none or it is about to expire.

    Returns:
        The certificate, which clients must be told to trust, and its private key (mode 0600).

    Raises:
        ConfigurationError: the directory cannot be written, or holds something else under these names.
    """
    files = TlsFiles(certificate=directory / _CERTIFICATE, private_key=directory / _PRIVATE_KEY)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if files.certificate.exists() and files.private_key.exists() and not _expires_soon(files.certificate):
            return files
        _make(files)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--development-certificate {directory}: {error}") from error
    return files


def read_pair(files: TlsFiles) -> tuple[bytes, bytes]:
    """Private key and certificate chain, PEM.

    Raises:
        ConfigurationError: a file cannot be read, is not PEM, or the key is not the certificate's.
    """
    chain = _read("--tls-certificate", files.certificate)
    key = _read("--tls-key", files.private_key)
    try:
        private = serialization.load_pem_private_key(key, None)
        if x509.load_pem_x509_certificates(chain)[0].public_key() != private.public_key():
            raise ValueError("the key is another certificate's")
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:  # TypeError: the key is encrypted
        raise ConfigurationError(
            f"--tls-certificate {files.certificate} and --tls-key {files.private_key} are not a PEM certificate and "
            f"its unencrypted private key: {error}"
        ) from error
    return key, chain


def read_client_ca(path: Path) -> bytes:
    """The certificates that sign clients' certificates, PEM.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """
    content = _read("--client-ca", path)
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise ConfigurationError(f"--client-ca {path} holds no PEM certificate: {error}") from error
    return content


def _read(option: str, path: Path) -> bytes:
    try:
        return read_regular(path, most=_MAX_FILE_BYTES)[0]
    except OSError as error:
        raise ConfigurationError(f"{option} {path}: {error.strerror or error}") from error


def _expires_soon(certificate: Path) -> bool:
    end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return end - datetime.datetime.now(datetime.timezone.utc) < datetime.timedelta(days=_RENEW_DAYS)


def _make(files: TlsFiles) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cryptable-server development")])
    now = datetime.datetime.now(datetime.timezone.utc)
    hosts = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with whole_file(files.private_key) as file:
        file.write(private)
    with whole_file(files.certificate) as file:
        os.fchmod(file.fileno(), 0o644)  # whatever the umask: clients of other users are to trust it
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
