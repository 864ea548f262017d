import copy
import gc
import pickle

import numpy as np
import pytest
from cryptable_client.keys.encryption import encrypt
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_protocol import InternalError, InvalidInputError


def test_keys_have_the_keysets_dimensions_and_are_binary(keyset, secret_keys):
    assert secret_keys.keyset is keyset
    for key_id, dimension in keyset.dimensions.items():
        bits = secret_keys._key_material()[key_id]
        assert bits.shape == (dimension,)
        assert set(np.unique(bits)) == {0, 1}
        assert abs(int(bits.sum()) - dimension / 2) < 6 * (dimension / 4) ** 0.5


def test_every_generation_differs(spec):
    with SecretKeys.generate(spec) as first, SecretKeys.generate(spec) as second:
        assert (first._key_material()[0] != second._key_material()[0]).any()


def test_there_is_no_public_constructor():
    with pytest.raises(TypeError, match=r"SecretKeys\.generate"):
        SecretKeys()


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_pickling_and_copying_are_refused(secret_keys, act):
    with pytest.raises(TypeError, match="SecretKeys cannot be"):
        act(secret_keys)


def test_text_forms_show_no_content(secret_keys):
    shown = f"{secret_keys} {secret_keys!r}"
    assert shown.count(secret_keys.keyset.name.hex()[:16]) == 2
    assert len(repr(secret_keys)) < 80


def test_close_zeroes_the_keys_and_ends_their_use(spec):
    secret_keys = SecretKeys.generate(spec)
    bits = secret_keys._key_material()[0]
    secret_keys.close()
    assert not bits.any()
    assert secret_keys.closed
    assert "closed" in repr(secret_keys)
    with pytest.raises(InvalidInputError, match="closed"):
        encrypt(spec, secret_keys, np.zeros(spec.input.size, np.int64))
    with pytest.raises(InvalidInputError, match="closed"):
        secret_keys.save("never-written", passphrase="long enough")
    secret_keys.close()


def test_a_dropped_handle_is_zeroed(spec):
    secret_keys = SecretKeys.generate(spec)
    bits = secret_keys._key_material()[1]
    del secret_keys
    gc.collect()
    assert not bits.any()


def test_keys_of_wrong_dimensions_are_our_own_bug(keyset, tmp_path):
    with SecretKeys._adopt(keyset, {0: np.zeros(3, np.uint8)}) as wrong, pytest.raises(InternalError):
        wrong.save(tmp_path / "keys", insecure_plaintext=True)
    assert not list(tmp_path.iterdir())
