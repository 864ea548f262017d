"""A file is whole or not there: whatever fails, whoever is killed, and where the power goes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptable_protocol.files import whole
from cryptable_protocol.files.whole import AS_USUAL, sync_folders, whole_file

NEW, OLD, PART = b"all that is new", b"old", b"some part of a file"
CALLS = ("open", "fsync", "replace", "link", "unlink")
"""What a file system is asked by, of `os`."""


def write(path: Path, **options: Any) -> None:
    with whole_file(path, **options) as file:
        file.write(NEW[:5])
        file.write(NEW[5:])


@pytest.fixture(params=[OLD, None], ids=["replaced", "new"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param is not None:
        (tmp_path / "file").write_bytes(request.param)
    return tmp_path / "file"


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def test_a_file_takes_its_name_when_it_is_whole(path: Path) -> None:
    before = content(path)
    with whole_file(path) as file:
        file.write(NEW)
        file.flush()
        assert content(path) == before
    assert path.read_bytes() == NEW
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
@pytest.mark.parametrize("mode", [0o600, 0o644, AS_USUAL])
def test_the_mode_is_that_of_the_creation(path: Path, mode: int) -> None:
    umask = os.umask(0o027)
    try:
        with whole_file(path, mode=mode) as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode & ~0o027
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == mode & ~0o027


def test_only_the_owner_may_read_it_unless_told_otherwise(path: Path) -> None:
    write(path)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("overwrite", [True, False])
def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path: Path, overwrite: bool) -> None:
    def interrupted() -> None:
        with whole_file(tmp_path / "file", overwrite=overwrite) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("refusal", [None, errno.EPERM, errno.ENOTSUP, errno.EINVAL])
def test_a_name_is_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int | None) -> None:
    """Also where the file system knows no hard links."""
    if refusal is not None:
        refuse_links(monkeypatch, refusal)
    path = tmp_path / "file"
    write(path, overwrite=False)
    path.write_bytes(OLD)
    with pytest.raises(FileExistsError):
        write(path, overwrite=False)
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


def refuse_links(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def no_links(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(whole.os, "link", no_links)


def test_a_failing_link_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_links(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        write(tmp_path / "file", overwrite=False)
    assert list(tmp_path.iterdir()) == []


class Refusal:
    """Lets so many calls of the file system pass, and raises `error` instead of the next, or of all that follow."""

    def __init__(self, patch: pytest.MonkeyPatch, allowed: int, error: BaseException, *, for_ever: bool) -> None:
        self.calls = 0
        self.refused = ""
        for name in CALLS:
            real = getattr(os, name)

            def call(*arguments: Any, name: str = name, real: Any = real, **options: Any) -> Any:
                self.calls += 1
                if self.calls == allowed + 1 or (for_ever and self.calls > allowed):
                    self.refused = name
                    raise error
                return real(*arguments, **options)

            patch.setattr(os, name, call)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), KeyboardInterrupt()], ids=["error", "interrupted"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_whichever_call_fails_the_content_is_old_or_new(path: Path, overwrite: bool, error: BaseException) -> None:
    if not overwrite:
        path.unlink(missing_ok=True)
    before, refused = content(path), 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            refusal = Refusal(patch, refused, error, for_ever=False)
            try:
                write(path, overwrite=overwrite)
            except type(error) as raised:
                assert raised is error  # noqa: PT017 (nothing else may be raised, and no call may be refused in vain)
            else:
                break
        assert content(path) in (before, NEW)
        left = [each for each in path.parent.iterdir() if each != path]
        assert not left or refusal.refused == "unlink"
        for each in (*left, path):
            each.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
        refused += 1
    assert refused == refusal.calls >= 6
    assert content(path) == NEW


@pytest.mark.parametrize("overwrite", [True, False])
def test_wherever_the_process_is_killed_the_content_is_old_or_new(path: Path, overwrite: bool) -> None:
    """A process that is killed makes no call more, not even one that would tidy up."""
    if not overwrite:
        path.unlink(missing_ok=True)
    before, allowed, seen = content(path), 0, set()
    while True:
        with pytest.MonkeyPatch.context() as patch:
            Refusal(patch, allowed, SystemExit(), for_ever=True)
            try:
                write(path, overwrite=overwrite)
            except SystemExit:
                pass
            else:
                break
        seen.add(content(path))
        for each in path.parent.iterdir():
            each.unlink()
        if before is not None:
            path.write_bytes(before)
        allowed += 1
    assert seen == {before, NEW}


class Disk:
    """What a power cut may leave in one folder, as POSIX promises: of a file, what was synced; of names, a past state.

    A name that was given since the folder was last synced may be there or not, and of a file's bytes that were not
    synced anything may be there.
    """

    def __init__(self, patch: pytest.MonkeyPatch, path: Path) -> None:
        self._names = {path: content(path)} if path.exists() else {}
        self._may_be = [self._names]
        self._opened: dict[int, Path] = {}
        self._path = path
        self.states: list[set[bytes | None]] = []
        self._patch(patch)

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        real_open, real_sync = os.open, os.fsync

        def opened(name: str | Path, flags: int, mode: int = 0o777, **options: Any) -> int:
            descriptor = real_open(name, flags, mode, **options)
            self._opened[descriptor] = Path(name)
            if flags & os.O_CREAT:
                self._change({**self._names, Path(name): PART})
            return descriptor

        def synced(descriptor: int) -> None:
            real_sync(descriptor)
            what = self._opened[descriptor]
            if what.is_dir():
                self._may_be = [self._names]
            else:
                self._may_be = [
                    {name: content(what) if name == what else held for name, held in names.items()}
                    for names in self._may_be
                ]
                self._names = self._may_be[-1]
            self._note()

        def moved(real: Any, keep: bool) -> Any:
            def call(source: Path, target: Path, **options: Any) -> None:
                real(source, target, **options)
                left = {name: held for name, held in self._names.items() if keep or name != Path(source)}
                self._change({**left, Path(target): self._names[Path(source)]})

            return call

        def removed(name: Path, real: Any = os.unlink) -> None:
            real(name)
            self._change({other: held for other, held in self._names.items() if other != Path(name)})

        patch.setattr(os, "open", opened)
        patch.setattr(os, "fsync", synced)
        patch.setattr(os, "replace", moved(os.replace, keep=False))
        patch.setattr(os, "link", moved(os.link, keep=True))
        patch.setattr(os, "unlink", removed)

    def _change(self, names: dict[Path, bytes | None]) -> None:
        self._names = names
        self._may_be = [*self._may_be, names]
        self._note()

    def _note(self) -> None:
        self.states.append({names.get(self._path) for names in self._may_be})


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.mark.skipif(os.name != "posix", reason="folders are synced on POSIX alone")
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_power_cut_at_any_time_leaves_old_or_new_and_after_the_end_only_new(
    path: Path, overwrite: bool, patch: pytest.MonkeyPatch
) -> None:
    if not overwrite:
        path.unlink(missing_ok=True)
    before = content(path)
    disk = Disk(patch, path)
    write(path, overwrite=overwrite)
    assert set().union(*disk.states) == {before, NEW}
    assert disk.states[-1] == {NEW}


def test_the_disk_above_loses_what_was_not_synced(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Else the test above would find nothing."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    disk = Disk(patch, path)
    patch.setattr(whole, "sync_folder", lambda _: None)
    write(path)
    assert disk.states[-1] == {OLD, NEW}, "a name whose folder was not synced"
    patch.setattr(os, "fsync", lambda _: None)
    write(path)
    assert PART in disk.states[-1], "bytes that were not synced"


@pytest.mark.skipif(os.name != "posix", reason="folders are synced on POSIX alone")
def test_a_folder_is_synced_after_what_it_holds(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    (tmp_path / "program" / "inner").mkdir(parents=True)
    names = ["program/inner/a", "program/b"]
    for name in names:
        (tmp_path / name).write_bytes(NEW)
    synced: list[int] = []
    patch.setattr(whole.os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    sync_folders(tmp_path / "program")
    order = [synced.index((tmp_path / name).stat().st_ino) for name in [*names, "program/inner", "program"]]
    assert len(synced) == 4
    assert order[0] < order[2] < order[3]
    assert order[1] < order[3]
