from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from cryptable_client import KeysExpiredError, SecretKeys, connect, decrypt, encrypt
from cryptable_client.keys import lifetime
from cryptable_protocol import InvalidInputError

PASSPHRASE = "correct horse"


@pytest.fixture
def in_an_hour():
    return datetime.now(timezone.utc) + timedelta(hours=1)


@pytest.fixture
def later(monkeypatch):
    def pass_time(seconds):
        now = lifetime.time.time() + seconds
        monkeypatch.setattr(lifetime.time, "time", lambda: now)

    return pass_time


def test_expiry_is_saved_and_honoured(tmp_path, spec, in_an_hour, later):
    path = tmp_path / "keys"
    with SecretKeys.generate(spec, expires=in_an_hour) as secret_keys:
        assert secret_keys.expires == in_an_hour.replace(microsecond=0)
        secret_keys.save(path, passphrase=PASSPHRASE)
        tensor = encrypt(spec, secret_keys, np.zeros(spec.input.size, np.int64))
        later(3601)
        with pytest.raises(KeysExpiredError, match="these secret keys expired"):
            encrypt(spec, secret_keys, np.zeros(spec.input.size, np.int64))
    with pytest.raises(KeysExpiredError, match="keys rotate"):
        SecretKeys.load(path, passphrase=PASSPHRASE)
    with SecretKeys.load(path, passphrase=PASSPHRASE, allow_expired=True) as secret_keys:
        assert not decrypt(spec, secret_keys, tensor).any()


def test_keys_without_an_end_do_not_expire(tmp_path, spec, later):
    before = datetime.now(timezone.utc).replace(microsecond=0)
    with SecretKeys.generate(spec) as secret_keys:
        assert before <= secret_keys.created <= datetime.now(timezone.utc)
        secret_keys.save(tmp_path / "keys", passphrase=PASSPHRASE)
    later(1e9)
    with SecretKeys.load(tmp_path / "keys", passphrase=PASSPHRASE) as secret_keys:
        assert secret_keys.expires is None
        assert before <= secret_keys.created


def test_expired_keys_do_not_connect(echo, spec, in_an_hour, later):
    with SecretKeys.generate(spec, expires=in_an_hour) as secret_keys:
        later(3601)
        with pytest.raises(KeysExpiredError):
            connect(echo.address, model="echo", insecure=True, secret_keys=secret_keys)
    assert not echo.keys


@pytest.mark.parametrize(
    ("expires", "message"),
    [(datetime(2100, 1, 1), "no time zone"), (datetime(2000, 1, 1, tzinfo=timezone.utc), "has passed")],
)
def test_ends_that_make_no_sense(spec, expires, message):
    with pytest.raises(InvalidInputError, match=message):
        SecretKeys.generate(spec, expires=expires)


@pytest.mark.parametrize("seconds", [(-1, 0), (1 << 63, 0), (0, 253402300800)])
def test_no_dates(seconds):
    with pytest.raises(InvalidInputError, match="no dates"):
        lifetime.Lifetime(*seconds)


def test_dates_do_not_depend_on_what_the_system_can_tell():
    """Windows knows no date after the year 3000, and a key file may name one."""
    last = lifetime.Lifetime(lifetime._LATEST, lifetime._LATEST)
    assert last.created == last.expires == datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    assert lifetime.Lifetime(0).created == datetime(1970, 1, 1, tzinfo=timezone.utc)
