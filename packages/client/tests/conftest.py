import importlib.util
from pathlib import Path

import pytest
from cryptable_client.keys import key_file
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.bootstrapped.security import minimum_log2_deviation
from cryptable_protocol import (
    AffineEncoder,
    BootstrapKeyParameters,
    CiphertextType,
    ClientSpec,
    Decoder,
    KeysetParameters,
    KeyswitchKeyParameters,
    Link,
    SecretKeyParameters,
    ThermometerEncoder,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

SMALL, LARGE = 480, 1024
SCRYPT_N = key_file._SCRYPT_N
"""Of the client: it makes a guess at a passphrase cost a quarter of a second."""


@pytest.fixture(autouse=True, scope="module")
def _quick_passphrases():
    """Key files are opened hundreds of times: a guess costs a thousandth in these tests, and in no others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_file, "_SCRYPT_N", SCRYPT_N >> 10)
        yield


@pytest.fixture
def slow_passphrases(monkeypatch):
    """As users have them."""
    monkeypatch.setattr(key_file, "_SCRYPT_N", SCRYPT_N)


def least_variance(dimension):
    return 2.0 ** (2 * minimum_log2_deviation(dimension))


def module_beside(name):
    """A helper module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"client_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def noise():
    return module_beside("noise")


@pytest.fixture(scope="session")
def servicer_module():
    return module_beside("servicer")


@pytest.fixture
def echo(spec, servicer_module):
    """A servicer that returns rows as they came, and the address that it is served at."""
    echo = servicer_module.EchoServicer(spec)
    with servicer_module.serving(echo) as echo.address:
        yield echo


@pytest.fixture(scope="session")
def keyset():
    """Small and secure: what one lookup would need."""
    return KeysetParameters(
        secret_keys=(SecretKeyParameters(0, LARGE), SecretKeyParameters(1, SMALL)),
        bootstrap_keys=(BootstrapKeyParameters(0, 1, 0, 2, 12, 2, LARGE // 2, least_variance(LARGE)),),
        keyswitch_keys=(KeyswitchKeyParameters(0, 0, 1, 3, 4, least_variance(SMALL)),),
    )


@pytest.fixture(scope="session")
def keyset_without_lookups():
    return KeysetParameters(secret_keys=(SecretKeyParameters(0, LARGE),))


def make_spec(keyset, *, width=5, size=6, name="echo"):
    """A specification whose output has its input's type, so that what is encrypted can be decrypted."""
    features = (
        ThermometerEncoder("age", tuple(float(edge) for edge in range(20, 20 + size - 1))),
        AffineEncoder("dose", lower=0.0, step=0.5, levels=1 << width if width < 20 else 1 << 20),
    )
    return ClientSpec(
        model_name=name,
        features=features,
        parameters=BootstrappedParameters(
            keyset, CiphertextType(size, 0, width, least_variance(LARGE)), CiphertextType(size, 0, width, 0.0), 2.0**-40
        ),
        decoder=Decoder(Link.IDENTITY, (0,) * size, 1.0, (0.0,) * size),
    )


@pytest.fixture(scope="session")
def spec(keyset):
    return make_spec(keyset)


@pytest.fixture(scope="session")
def spec_without_lookups(keyset_without_lookups):
    return make_spec(keyset_without_lookups)


@pytest.fixture(scope="session")
def spec_maker():
    return make_spec


@pytest.fixture
def secret_keys(keyset):
    with SecretKeys.generate(keyset) as handle:
        yield handle
