"""PartialUploads, with real files, beside a reference that keeps a list."""

import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

from cryptable_server.keys.partial_uploads import KEEP_SECONDS, PER_PRINCIPAL, PartialUploads
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

OWNERS = st.sampled_from([letter * 64 for letter in "ab"])
DIGESTS = st.sampled_from([bytes([number]) * 32 for number in range(PER_PRINCIPAL + 2)])
SIZES = st.integers(0, 9)


class Clock:
    """A StoreClock that the test moves. In steps that differ, so that no two parts are equally old."""

    def __init__(self):
        self.seconds = 1_000_000.0

    def now(self):
        return self.seconds


class Parts(RuleBasedStateMachine):
    """Uploads that begin, break off, go on, are given up and expire, with restarts and kills in between."""

    @initialize()
    def open(self):
        self.directory = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.uploads = PartialUploads(self.directory, self.clock)
        self.kept = []  # of (owner, sha256, content, at)

    def teardown(self):
        if hasattr(self, "directory"):
            shutil.rmtree(self.directory)

    def part(self, owner, sha256):
        return next((part for part in self.kept if (part.owner, part.sha256) == (owner, sha256)), None)

    def age(self, part):
        return self.clock.seconds - part.at

    def length(self, owner, sha256):
        """What an upload can go on from: an old part is none."""
        part = self.part(owner, sha256)
        return 0 if part is None or self.age(part) > KEEP_SECONDS else len(part.content)

    def expect(self, owner, sha256, content, at):
        """The longer of two stays, and a part of no bytes is none."""
        if len(content) > self.length(owner, sha256):
            self.kept = [part for part in self.kept if part is not self.part(owner, sha256)]
            self.kept.append(SimpleNamespace(owner=owner, sha256=sha256, content=content, at=at))

    def write(self, owner, sha256, content):
        descriptor, path = self.uploads.new_file(owner, sha256)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        return path

    @rule(seconds=st.sampled_from([1, 60, KEEP_SECONDS / 2, KEEP_SECONDS, 2 * KEEP_SECONDS]))
    def time_passes(self, seconds):
        self.clock.seconds += seconds

    @rule(owner=OWNERS, sha256=DIGESTS, size=SIZES, fill=st.binary(min_size=1, max_size=1))
    def upload_breaks_off(self, owner, sha256, size, fill):
        self.clock.seconds += 1
        self.uploads.keep(owner, sha256, self.write(owner, sha256, fill * size), size)
        self.expect(owner, sha256, fill * size, self.clock.seconds)
        own = sorted((part for part in self.kept if part.owner == owner), key=lambda part: part.at)
        for part in own[:-PER_PRINCIPAL]:
            self.kept.remove(part)

    @rule(owner=OWNERS, sha256=DIGESTS, more=st.sampled_from([-1, 0, 0, 0, 1]))
    def upload_goes_on(self, owner, sha256, more):
        length = self.length(owner, sha256)
        path = self.uploads.take(owner, sha256, length + more)
        if more or not length:
            assert path is None
            return
        part = self.part(owner, sha256)
        self.kept.remove(part)
        assert path.read_bytes() == part.content
        path.unlink()  # it is the caller's

    @rule(owner=OWNERS, sha256=DIGESTS)
    def drop(self, owner, sha256):
        part = self.part(owner, sha256)
        assert self.uploads.drop(owner, sha256) == (part is not None)
        if part is not None:
            self.kept.remove(part)

    @rule(owner=st.none() | OWNERS, but=st.none() | DIGESTS)
    def make_room(self, owner, but):
        candidates = [part for part in self.kept if owner in (None, part.owner) and part.sha256 != but]
        assert self.uploads.drop_oldest(owner, but=but) == bool(candidates)
        if candidates:
            self.kept.remove(min(candidates, key=lambda part: part.at))

    @rule()
    def expire(self):
        self.uploads.expire()
        self.kept = [part for part in self.kept if self.age(part) <= KEEP_SECONDS]

    @rule()
    def restart(self):
        (self.directory / "no part").touch()
        self.uploads = PartialUploads(self.directory, self.clock)
        self.kept = [part for part in self.kept if self.age(part) <= KEEP_SECONDS]

    @rule(owner=OWNERS, sha256=DIGESTS, size=SIZES, ahead=st.sampled_from([-5.0, 10 * KEEP_SECONDS]))
    def killed_in_an_upload(self, owner, sha256, size, ahead):
        """What has come is kept, if nothing is of that upload yet: which of two files is read first is not said."""
        self.expire()
        if self.part(owner, sha256) is not None:
            return
        self.clock.seconds += 10
        path = self.write(owner, sha256, b"k" * size)
        at = self.clock.seconds + ahead  # by the machine's clock, which may be wrong
        os.utime(path, (at, at))
        self.restart()
        self.expect(owner, sha256, b"k" * size, min(at, self.clock.seconds))

    @invariant()
    def both_say_the_same(self):
        if not hasattr(self, "uploads"):
            return
        assert self.uploads.total_bytes == sum(len(part.content) for part in self.kept)
        files = sorted(path.read_bytes() for path in self.directory.iterdir())
        assert files == sorted(part.content for part in self.kept)
        for owner in ("a" * 64, "b" * 64):
            for number in range(PER_PRINCIPAL + 2):
                sha256 = bytes([number]) * 32
                assert self.uploads.size(owner, sha256) == self.length(owner, sha256)
                others = [part for part in self.kept if part.owner == owner and part.sha256 != sha256]
                assert self.uploads.bytes_of(owner, but=sha256) == sum(len(part.content) for part in others)


TestParts = Parts.TestCase
TestParts.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
