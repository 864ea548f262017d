"""PartialUploads, with real files, beside a reference that keeps a list."""

import os
import shutil
import tempfile
from pathlib import Path
from random import Random
from types import SimpleNamespace

from cryptable_server.keys.partial_uploads import KEEP_SECONDS, PER_PRINCIPAL, PartialUploads
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

OWNERS = [letter * 64 for letter in "ab"]
DIGESTS = [bytes([number]) * 32 for number in range(PER_PRINCIPAL + 2)]
EVENTS = {
    "time_passes": 2,
    "upload_breaks_off": 6,
    "upload_goes_on": 2,
    "drop": 1,
    "make_room": 2,
    "expire": 1,
    "restart": 1,
    "killed_in_an_upload": 2,
}
"""How often each of them happens."""


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

    @rule(seed=st.integers(0, 1 << 32), events=st.integers(1, 12))
    def something_happens(self, seed, events):
        """One rule for all, by dice: what hypothesis draws by itself has little variety, and rarely gets far."""
        dice = Random(seed)
        for what in dice.choices(list(EVENTS), list(EVENTS.values()), k=events):
            getattr(self, what)(dice)
            self.both_say_the_same()

    def time_passes(self, dice):
        self.clock.seconds += dice.choice([1, 60, KEEP_SECONDS / 2, KEEP_SECONDS, 2 * KEEP_SECONDS])

    def upload_breaks_off(self, dice):
        owner, sha256, size, fill = dice.choice(OWNERS), dice.choice(DIGESTS), dice.randint(0, 9), dice.randbytes(1)
        self.clock.seconds += 1
        self.uploads.keep(owner, sha256, self.write(owner, sha256, fill * size), size)
        self.expect(owner, sha256, fill * size, self.clock.seconds)
        own = sorted((part for part in self.kept if part.owner == owner), key=lambda part: part.at)
        for part in own[:-PER_PRINCIPAL]:
            self.kept.remove(part)

    def upload_goes_on(self, dice):
        owner, sha256, more = dice.choice(OWNERS), dice.choice(DIGESTS), dice.choice([-1, 0, 0, 0, 1])
        length = self.length(owner, sha256)
        path = self.uploads.take(owner, sha256, length + more)
        if more or not length:
            assert path is None
            return
        part = self.part(owner, sha256)
        self.kept.remove(part)
        assert path.read_bytes() == part.content
        path.unlink()  # it is the caller's

    def drop(self, dice):
        owner, sha256 = dice.choice(OWNERS), dice.choice(DIGESTS)
        part = self.part(owner, sha256)
        assert self.uploads.drop(owner, sha256) == (part is not None)
        if part is not None:
            self.kept.remove(part)

    def make_room(self, dice):
        owner, but = dice.choice([None, *OWNERS]), dice.choice([None, None, *DIGESTS])
        candidates = [part for part in self.kept if owner in (None, part.owner) and part.sha256 != but]
        assert self.uploads.drop_oldest(owner, but=but) == bool(candidates)
        if candidates:
            self.kept.remove(min(candidates, key=lambda part: part.at))

    def expire(self, _):
        self.uploads.expire()
        self.kept = [part for part in self.kept if self.age(part) <= KEEP_SECONDS]

    def restart(self, _):
        (self.directory / "no part").touch()
        self.uploads = PartialUploads(self.directory, self.clock)
        self.kept = [part for part in self.kept if self.age(part) <= KEEP_SECONDS]

    def killed_in_an_upload(self, dice):
        """What has come is kept, if nothing is of that upload yet: which of two files is read first is not said."""
        owner, sha256, size = dice.choice(OWNERS), dice.choice(DIGESTS), dice.randint(0, 9)
        ahead = dice.choice([-5.0, 10 * KEEP_SECONDS])
        self.expire(dice)
        if self.part(owner, sha256) is not None:
            return
        self.clock.seconds += 10
        path = self.write(owner, sha256, b"k" * size)
        at = self.clock.seconds + ahead  # by the machine's clock, which may be wrong
        os.utime(path, (at, at))
        self.restart(dice)
        self.expect(owner, sha256, b"k" * size, min(at, self.clock.seconds))

    @invariant()
    def both_say_the_same(self):
        if not hasattr(self, "uploads"):
            return
        assert self.uploads.total_bytes == sum(len(part.content) for part in self.kept)
        files = sorted(path.read_bytes() for path in self.directory.iterdir())
        assert files == sorted(part.content for part in self.kept)
        for owner in OWNERS:
            for sha256 in DIGESTS:
                assert self.uploads.size(owner, sha256) == self.length(owner, sha256)
                others = [part for part in self.kept if part.owner == owner and part.sha256 != sha256]
                assert self.uploads.bytes_of(owner, but=sha256) == sum(len(part.content) for part in others)


TestParts = Parts.TestCase
TestParts.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)
