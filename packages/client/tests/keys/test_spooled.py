import gc
import io
import os
import tempfile

import pytest
from cryptable_client.keys.evaluation_keys import spool, write_evaluation_keys
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_protocol import InvalidInputError


def content(spooled, **options):
    return b"".join(data for _, data in spooled.chunks(**options))


def test_chunks_are_the_same_bytes_each_time(secret_keys):
    with spool(secret_keys) as spooled:
        whole = content(spooled)
        assert len(whole) == spooled.header.size
        assert content(spooled) == whole
        assert content(spooled, offset=12345) == whole[12345:]
        assert [offset for offset, _ in spooled.chunks(size=1 << 20)] == list(range(0, len(whole), 1 << 20))


def test_two_readers_do_not_disturb_each_other(secret_keys):
    with spool(secret_keys) as spooled:
        first, second = spooled.chunks(size=1000), spooled.chunks(size=1000)
        assert [next(first), next(first)] == [next(second), next(second)]


def test_without_a_path_no_file_can_be_seen_or_left(secret_keys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with spool(secret_keys):
        if os.name == "posix":
            assert not list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_an_interrupted_spool_leaves_nothing(secret_keys, tmp_path):
    def interrupt(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spool(secret_keys, path=tmp_path / "keys", progress=interrupt)
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        spool(secret_keys, progress=interrupt)


def test_a_kept_file_is_used_again(secret_keys, tmp_path):
    path = tmp_path / "evaluation-keys"
    with spool(secret_keys, path=path) as first:
        header = first.header
    before = path.read_bytes()
    with spool(secret_keys, path=path, progress=lambda done, total: pytest.fail("made again")) as second:
        assert second.header == header
        assert content(second) == before
    assert path.read_bytes() == before


def test_a_file_of_other_secret_keys_is_refused(keyset, secret_keys, tmp_path):
    with SecretKeys.generate(keyset) as others, (tmp_path / "a").open("wb") as file:
        write_evaluation_keys(others, file)
    with pytest.raises(InvalidInputError, match="other secret keys"):
        spool(secret_keys, path=tmp_path / "a")


def test_a_file_of_keyswitch_keys_alone_is_told_by_its_first_row(keyset, tmp_path):
    from dataclasses import replace

    only_keyswitch = replace(keyset, bootstrap_keys=())
    with SecretKeys.generate(only_keyswitch) as keys:
        spool(keys, path=tmp_path / "a").close()
        spool(keys, path=tmp_path / "a").close()


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
def test_a_file_of_another_length_is_refused(secret_keys, tmp_path, change):
    buffer = io.BytesIO()
    write_evaluation_keys(secret_keys, buffer)
    (tmp_path / "a").write_bytes(change(buffer.getvalue()))
    with pytest.raises(InvalidInputError, match="delete it"):
        spool(secret_keys, path=tmp_path / "a")


def test_a_file_that_shrinks_while_it_is_read(secret_keys, tmp_path):
    path = tmp_path / "a"
    with spool(secret_keys, path=path) as spooled:
        with path.open("r+b") as file:
            file.truncate(1 << 20)
        with pytest.raises(InvalidInputError, match="shorter"):
            content(spooled)


def test_evaluation_keys_live_and_end_with_their_secret_keys(keyset):
    secret_keys = SecretKeys.generate(keyset)
    spooled = secret_keys._spooled(spool)
    assert secret_keys._spooled(spool) is spooled
    secret_keys.close()
    with pytest.raises(ValueError, match="closed"):
        next(spooled.chunks())
    gc.collect()
