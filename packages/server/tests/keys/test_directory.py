import contextlib
import hashlib
import itertools
import multiprocessing
import os
import resource
import signal
import stat
import time
from pathlib import Path

import pytest
from cryptable_protocol import EvaluationKeysHeader, InternalError, MalformedMessageError
from cryptable_server.errors import (
    ConfigurationError,
    KeysCorruptedError,
    KeysNotFoundError,
    PartGoneError,
    StorageFullError,
    UploadCutShortError,
)
from cryptable_server.keys.directory import DirectoryKeyStore
from cryptable_server.principals import ANONYMOUS, Principal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYSET = bytes(range(32))
DATA = bytes(range(256)) * 40
OTHER = Principal("mtls:other/../../one")


def header(data=DATA, **changes):
    fields = {"keyset_name": KEYSET, "size": len(data), "sha256": hashlib.sha256(data).digest()}
    return EvaluationKeysHeader(**{**fields, **changes})


@pytest.fixture
def store(tmp_path):
    opened = DirectoryKeyStore(tmp_path / "keys")
    yield opened
    opened.close()


def put(store, data=DATA, principal=ANONYMOUS):
    return send(store, header(data), [(0, data)], principal)


def send(store, announced, chunks, principal=ANONYMOUS):
    with store.begin(principal, announced) as upload:
        for offset, data in chunks:
            upload.write(offset, data)
        return upload.commit()


NOT_KEYS = (".lock", ".clock", "principal", "principal-new")


def files_of(store):
    return [path for path in store._directory.rglob("*") if path.is_file() and path.name not in NOT_KEYS]


def test_stored_keys_are_found_with_their_bytes(store):
    stored = put(store)
    assert stored == store.find(ANONYMOUS, stored.sha256)
    assert (stored.keyset_name, stored.size) == (KEYSET, len(DATA))
    assert Path(stored.reference).read_bytes() == DATA
    assert store.used_bytes == len(DATA)


def test_files_are_for_the_owner_alone(store):
    path = Path(put(store).reference)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_directory_serves_one_server_at_a_time(store):
    with pytest.raises(ConfigurationError, match="another server"):
        DirectoryKeyStore(store._directory)


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"--keys .*file"):
        DirectoryKeyStore(tmp_path / "file" / "keys")


def test_deleted_keys_are_gone_from_disk(store):
    stored = put(store)
    store.delete(ANONYMOUS, stored.sha256)
    assert files_of(store) == []
    assert store.used_bytes == 0
    with pytest.raises(KeysNotFoundError):
        store.find(ANONYMOUS, stored.sha256)
    with pytest.raises(KeysNotFoundError):
        store.delete(ANONYMOUS, stored.sha256)


def test_an_operator_sees_whose_keys_there_are_and_removes_them(store):
    first, second = put(store), put(store, b"second" * 100)
    other = put(store, principal=OTHER)
    with store.use(ANONYMOUS, first.sha256):
        entries = store.entries()
    assert entries[0].unused_seconds <= entries[1].unused_seconds <= entries[2].unused_seconds
    found = {(entry.principal, entry.keys.sha256): entry for entry in entries}
    assert found.keys() == {
        ("anonymous", first.sha256),
        ("anonymous", second.sha256),
        (OTHER.name, other.sha256),
    }
    assert [name for name, entry in found.items() if entry.in_use] == [("anonymous", first.sha256)]
    assert store.delete_of(OTHER.name, None) == 1
    with pytest.raises(KeysNotFoundError, match="mtls"):
        store.delete_of(OTHER.name, None)
    assert store.delete_of("anonymous", second.sha256) == 1
    assert store.find(ANONYMOUS, first.sha256)
    assert store.delete_of("anonymous", None) == 1
    assert [path.name for path in store._directory.iterdir() if path.is_dir()] == ["incoming"]


def test_a_name_that_is_not_the_folders_is_not_believed(store):
    put(store)
    (folder,) = [path for path in store._directory.iterdir() if path.is_dir() and path.name != "incoming"]
    (folder / "principal").write_text("token:mallory")
    assert [entry.principal for entry in store.entries()] == [""]


@pytest.mark.parametrize(
    "chunks",
    [
        [(0, DATA[:100]), (101, DATA[101:])],
        [(0, DATA[:100]), (99, DATA[99:])],
        [(0, DATA), (len(DATA), b"x")],
        [(0, DATA + b"x")],
        [(0, b"")],
        [(0, DATA), (0, DATA)],
        [(1 << 63, DATA)],
    ],
    ids=["gap", "overlap", "extra", "long", "empty", "twice", "far"],
)
def test_chunks_that_are_not_the_whole_in_order_are_refused(store, chunks):
    with pytest.raises(MalformedMessageError):
        send(store, header(), chunks)
    assert files_of(store) == []
    assert store.used_bytes == 0


def test_nothing_is_nothing_to_go_on_from(store):
    with pytest.raises(UploadCutShortError):
        send(store, header(), [])
    assert store.received(ANONYMOUS, header().sha256) == 0
    with pytest.raises(PartGoneError):
        send(store, header(), [(100, DATA[100:])])
    assert files_of(store) == []


def test_another_sha256_is_refused(store):
    with pytest.raises(KeysCorruptedError):
        send(store, header(sha256=bytes(32)), [(0, DATA)])
    assert files_of(store) == []


def test_an_upload_that_was_left_takes_nothing_more(store):
    """A thread may come late, when its call has been cancelled already."""
    with store.begin(ANONYMOUS, header()) as upload:
        upload.write(0, DATA[:10])
    with pytest.raises(InternalError):
        upload.write(10, DATA[10:])
    with store.begin(ANONYMOUS, header()) as upload:
        upload.write(0, DATA)
    with pytest.raises(InternalError):
        upload.commit()
    assert files_of(store) == []
    assert store.used_bytes == 0


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, len(DATA)), max_size=8))
def test_any_cut_into_chunks_gives_the_same_keys(store, lengths):
    with store.begin(ANONYMOUS, header()) as upload:
        offset = 0
        for length in [*lengths, len(DATA)]:
            chunk = DATA[offset : offset + length]
            if chunk:
                upload.write(offset, chunk)
            offset += len(chunk)
        assert Path(upload.commit().reference).read_bytes() == DATA


def _upload_and_wait(directory, connection):
    store = DirectoryKeyStore(directory)
    with store.begin(ANONYMOUS, header()) as upload:
        upload.write(0, DATA[:5000])
        connection.send(len(list((directory / "incoming").iterdir())))
        connection.recv()  # until killed


def _upload_for_ever(directory, connection):
    store = DirectoryKeyStore(directory)
    for number in itertools.count():
        connection.send(put(store, number.to_bytes(4, "little") * 30_000).sha256)


@pytest.mark.parametrize("seconds", [0.0, 0.003, 0.01, 0.03, 0.05, 0.08])
def test_keys_that_were_acknowledged_survive_a_kill_at_any_time(tmp_path, seconds):
    child, connection = _in_child(_upload_for_ever, tmp_path)
    acknowledged = [connection.recv()]
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with contextlib.suppress(EOFError):
        while True:
            acknowledged.append(connection.recv())
    store = DirectoryKeyStore(tmp_path)
    for sha256 in acknowledged:
        assert hashlib.sha256(Path(store.find(ANONYMOUS, sha256).reference).read_bytes()).digest() == sha256
    for path in files_of(store):
        # One more than was acknowledged may be whole; none is in part, except where uploads go on.
        if path.parent.name == "incoming":
            continue
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name.partition(".")[0]
    store.close()


def _in_child(target, *arguments):
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=target, args=(*arguments, theirs))
    child.start()
    theirs.close()
    return child, ours


def test_a_killed_upload_leaves_a_part_and_no_keys(tmp_path):
    child, connection = _in_child(_upload_and_wait, tmp_path)
    assert connection.recv() == 1
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert len(list((tmp_path / "incoming").iterdir())) == 1
    store = DirectoryKeyStore(tmp_path)
    assert store.used_bytes == store.received(ANONYMOUS, header().sha256) == 5000
    with pytest.raises(KeysNotFoundError):
        store.find(ANONYMOUS, header().sha256)
    send(store, header(), [(5000, DATA[5000:])])
    assert [path.read_bytes() for path in files_of(store)] == [DATA]
    store.close()


def _upload_without_room(directory, connection):
    store = DirectoryKeyStore(directory)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        put(store)
    except StorageFullError as error:
        left = len(files_of(store)), store.used_bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        connection.send((str(error), left, put(store).size))
    else:
        connection.send(None)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    child, connection = _in_child(_upload_without_room, tmp_path)
    message, left, size_with_room = connection.recv()
    child.join()
    assert "no room" in message
    assert left == (0, 0)
    assert size_with_room == len(DATA)


def test_the_same_bytes_for_another_keyset_leave_no_file_and_go_from_memory(store):
    """Two keysets may be of the same size: a worker must not evaluate one's programs with what it has of the other."""
    removed = []
    store.on_removal = removed.append
    before = put(store)
    changed = header(keyset_name=bytes(32))
    after = send(store, changed, [(0, DATA)])
    assert removed == [before]
    assert files_of(store) == [Path(after.reference)]
    # As an earlier version left it:
    Path(before.reference).write_bytes(DATA)
    os.utime(before.reference, (1, 1))
    store.close()
    again = DirectoryKeyStore(store._directory)
    assert again.find(ANONYMOUS, after.sha256) == after
    assert files_of(again) == [Path(after.reference)]
    again.close()


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    store = DirectoryKeyStore(tmp_path)
    assert store.used_bytes == 0
    store.close()
    assert (tmp_path / "folder" / "notes.txt").exists()


def test_strays_are_named_and_left_where_they_are(opened, tmp_path, caplog):
    """Whatever lies there: a server starts, and has the keys that are keys."""
    kept = put(opened())
    folder = Path(kept.reference).parent
    name = f"{'ab' * 32}.{'cd' * 32}"
    (folder / name).mkdir()
    (folder / f"{'ef' * 32}.{'cd' * 32}").symlink_to("nothing")
    os.mkfifo(folder / f"{'01' * 32}.{'cd' * 32}")
    (folder / "notes.txt").touch()
    (tmp_path / "keys" / ("23" * 32)).symlink_to("23" * 32)
    (tmp_path / "keys" / ("45" * 32)).touch()
    (tmp_path / "keys" / "backup").mkdir()
    (tmp_path / "keys" / "backup" / name).touch()
    incoming = tmp_path / "keys" / "incoming"
    (incoming / "folder").mkdir()
    (incoming / "dangling").symlink_to("nothing")
    (incoming / f"{'ab' * 32}.{'cd' * 32}.x").symlink_to("nothing")
    (folder / "principal").unlink()
    os.mkfifo(folder / "principal")
    before = set(tmp_path.rglob("*"))
    store = opened()
    assert [entry.keys.sha256 for entry in store.entries()] == [kept.sha256]
    named = {Path(record.facts["path"]).name for record in caplog.records if record.message == "stray among the keys"}
    assert len(named) == 8
    assert "folder" in named
    assert before <= set(tmp_path.rglob("*"))
    store.delete(ANONYMOUS, kept.sha256)
