"""KeyLedger beside a reference that keeps flat lists and reckons everything anew."""

from random import Random
from types import SimpleNamespace

import pytest
from cryptable_server.errors import QuotaExceededError
from cryptable_server.keys.ledger import KeyLedger
from cryptable_server.keys.store import StoredKeys
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

OWNERS, DIGESTS = ["alice", "bob"], [bytes([number]) * 32 for number in range(3)]
SIZES, SECONDS = range(1, 13), range(41)
EVENTS = {
    "time_passes": 3,
    "announce": 4,
    "bytes_come": 6,
    "upload_ends": 3,
    "found_on_disk": 1,
    "use": 3,
    "use_ends": 3,
    "delete": 1,
    "expire": 2,
}
"""How often each of them happens."""
QUOTAS = st.none() | st.integers(10, 40)


class Ledgers(RuleBasedStateMachine):
    """What a store does with its ledger, and what must come of it."""

    @initialize(quota=QUOTAS, own_quota=QUOTAS, time_to_live=st.none() | st.integers(1, 60))
    def open(self, quota, own_quota, time_to_live):
        self.quota, self.own_quota, self.time_to_live = quota, own_quota, time_to_live
        limits = {"quota_bytes": quota, "principal_quota_bytes": own_quota, "time_to_live": time_to_live}
        self.ledger = KeyLedger(**limits)
        self.now = 1000.0
        self.stored = []  # of (keys, used_at)
        self.uses = []  # of keys
        self.uploads = []  # of (owner, digest, size, come)

    def entry(self, owner, sha256):
        return next((each for each in self.stored if (each.keys.owner, each.keys.sha256) == (owner, sha256)), None)

    def is_used(self, keys):
        return any((used.owner, used.sha256) == (keys.owner, keys.sha256) for used in self.uses)

    def idle(self):
        return [each for each in self.stored if not self.is_used(each.keys)]

    @rule(seed=st.integers(0, 1 << 32), events=st.integers(1, 12))
    def something_happens(self, seed, events):
        """One rule for all, by dice: what hypothesis draws by itself has little variety, and rarely gets far."""
        dice = Random(seed)
        for what in dice.choices(list(EVENTS), list(EVENTS.values()), k=events):
            getattr(self, what)(dice)
            self.both_say_the_same()

    def time_passes(self, dice):
        self.now += dice.choice(SECONDS)

    def announce(self, dice):
        owner, sha256, size = dice.choice(OWNERS), dice.choice(DIGESTS), dice.choice(SIZES)
        others = sum(each.keys.size for each in self.stored if each.keys.owner == owner and each.keys.sha256 != sha256)
        own = others + sum(upload.size for upload in self.uploads if upload.owner == owner) + size
        bound = sum(each.keys.size for each in self.stored if self.is_used(each.keys))
        bound += sum(upload.size for upload in self.uploads) + size
        for kept in (0, 7):
            excess = 0 if self.own_quota is None else max(0, own + kept - self.own_quota)
            assert self.ledger.excess_bytes_of(owner, sha256, size, kept) == excess
        self.own_keys_make_room(dice, owner, sha256, size, max(0, own - (self.own_quota or own)))
        own -= others
        others = sum(each.keys.size for each in self.stored if each.keys.owner == owner and each.keys.sha256 != sha256)
        own += others
        reason = (self.own_quota is not None and own > self.own_quota and "yours") or (
            self.quota is not None and bound > self.quota and "in use"
        )
        if reason:
            with pytest.raises(QuotaExceededError, match=reason):
                self.ledger.announce(owner, sha256, size)
        else:
            self.ledger.announce(owner, sha256, size)
            self.uploads.append(SimpleNamespace(owner=owner, sha256=sha256, size=size, come=0))

    def own_keys_make_room(self, dice, owner, sha256, size, excess):
        idle = [each for each in self.idle() if each.keys.owner == owner and each.keys.sha256 != sha256]
        idle.sort(key=lambda each: each.used_at)
        going = [self.entry(keys.owner, keys.sha256) for keys in self.ledger.own_room(owner, sha256, size)]
        freed = [each.keys.size for each in going]
        assert [each.used_at for each in going] == [each.used_at for each in idle[: len(going)]]
        if excess and sum(each.keys.size for each in idle) >= excess:
            assert sum(freed) >= excess > sum(freed[:-1])
        else:
            assert not going
        if dice.random() < 0.5:
            for each in going:
                self.forget(each)

    def bytes_come(self, dice):
        if not self.uploads:
            return
        upload, kept = dice.choice(self.uploads), dice.choice([0, 5])
        size = dice.choice([upload.size - upload.come, dice.randint(0, upload.size - upload.come)])
        least_recent = sorted(self.idle(), key=lambda each: each.used_at)
        while self.ledger.lacks_room(size, kept):
            held = sum(each.keys.size for each in self.stored) + sum(other.come for other in self.uploads)
            assert held + kept + size > self.quota
            going = self.ledger.least_recently_used()
            if not least_recent:
                assert going is None
                return
            assert self.entry(going.owner, going.sha256).used_at == least_recent[0].used_at
            self.forget(self.entry(going.owner, going.sha256))
            least_recent = sorted(self.idle(), key=lambda each: each.used_at)
        held = sum(each.keys.size for each in self.stored) + sum(other.come for other in self.uploads)
        assert self.quota is None or held + kept + size <= self.quota
        self.ledger.receive(size)
        upload.come += size

    def upload_ends(self, dice):
        if not self.uploads:
            return
        upload = dice.choice(self.uploads)
        self.uploads.remove(upload)
        if dice.random() < 0.8 and upload.come == upload.size:
            keys = StoredKeys(upload.owner, upload.sha256, bytes(32), upload.size, "")
            self.ledger.add(keys, self.now)
            self.stored = [each for each in self.stored if each is not self.entry(upload.owner, upload.sha256)]
            self.stored.append(SimpleNamespace(keys=keys, used_at=self.now))
        self.ledger.release(upload.come)
        self.ledger.withdraw(upload.owner, upload.size)

    def found_on_disk(self, dice):
        """With any size: keys of one name may be replaced by those that a hash function has made the same."""
        owner, sha256, size, seconds = (dice.choice(each) for each in (OWNERS, DIGESTS, SIZES, SECONDS))
        keys = StoredKeys(owner, sha256, bytes(32), size, "")
        self.ledger.add(keys, self.now - seconds)
        self.stored = [each for each in self.stored if each is not self.entry(owner, sha256)]
        self.stored.append(SimpleNamespace(keys=keys, used_at=self.now - seconds))

    def use(self, dice):
        if not self.stored:
            return
        entry = dice.choice(self.stored)
        assert self.ledger.begin_use(entry.keys, self.now) == entry.used_at
        entry.used_at = self.now
        self.uses.append(entry.keys)

    def use_ends(self, dice):
        if not self.uses:
            return
        keys = dice.choice(self.uses)
        self.uses.remove(keys)
        entry = self.entry(keys.owner, keys.sha256)
        assert self.ledger.end_use(keys, self.now) == (None if entry is None else entry.used_at)
        if entry is not None:
            entry.used_at = self.now

    def delete(self, dice):
        owner, sha256 = dice.choice(OWNERS), dice.choice(DIGESTS)
        entry = self.entry(owner, sha256)
        self.ledger.remove(owner, sha256)
        if entry is not None:
            self.stored.remove(entry)

    def expire(self, _):
        expected = [
            each.keys
            for each in self.idle()
            if self.time_to_live is not None and self.now - each.used_at > self.time_to_live
        ]
        found = self.ledger.expired(self.now)
        assert sorted(map(repr, found)) == sorted(map(repr, expected))
        for keys in found:
            self.forget(self.entry(keys.owner, keys.sha256))

    def forget(self, entry):
        assert not self.is_used(entry.keys)
        self.ledger.remove(entry.keys.owner, entry.keys.sha256)
        self.stored.remove(entry)

    @invariant()
    def both_say_the_same(self):
        if not hasattr(self, "ledger"):
            return
        assert self.ledger.count == len(self.stored)
        come = sum(upload.come for upload in self.uploads)
        assert self.ledger.used_bytes == sum(each.keys.size for each in self.stored) + come
        for owner in ("alice", "bob"):
            own = [each.keys for each in self.stored if each.keys.owner == owner]
            assert sorted(map(repr, self.ledger.of(owner))) == sorted(map(repr, own))
        going, idle = self.ledger.least_recently_used(), self.idle()
        if going is None:
            assert not idle
        else:
            assert not self.is_used(going)
            assert self.entry(going.owner, going.sha256).used_at == min(each.used_at for each in idle)
        for size, kept in ((0, 0), (1, 0), (7, 2), (20, 9)):
            assert self.ledger.lacks_room(size, kept) == (
                self.quota is not None and self.ledger.used_bytes + size + kept > self.quota
            )
        usages = self.ledger.usages(self.now)
        assert [usage.unused_seconds for usage in usages] == sorted(self.now - each.used_at for each in self.stored)
        for usage in usages:
            entry = self.entry(usage.keys.owner, usage.keys.sha256)
            assert usage.keys == entry.keys == self.ledger.get(usage.keys.owner, usage.keys.sha256)
            assert usage.unused_seconds == self.now - entry.used_at
            assert usage.in_use == self.is_used(usage.keys)


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
