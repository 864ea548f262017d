"""KeyLedger beside a reference that keeps flat lists and reckons everything anew."""

from types import SimpleNamespace

import pytest
from cryptable_server.errors import QuotaExceededError
from cryptable_server.keys.ledger import KeyLedger
from cryptable_server.keys.store import StoredKeys
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

OWNERS = st.sampled_from(["alice", "bob"])
DIGESTS = st.sampled_from([bytes([number]) * 32 for number in range(3)])
SIZES = st.integers(1, 12)
SECONDS = st.integers(0, 40)
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

    @rule(seconds=SECONDS)
    def time_passes(self, seconds):
        self.now += seconds

    @rule(owner=OWNERS, sha256=DIGESTS, size=SIZES)
    def announce(self, owner, sha256, size):
        others = sum(each.keys.size for each in self.stored if each.keys.owner == owner and each.keys.sha256 != sha256)
        own = others + sum(upload.size for upload in self.uploads if upload.owner == owner) + size
        bound = sum(each.keys.size for each in self.stored if self.is_used(each.keys))
        bound += sum(upload.size for upload in self.uploads) + size
        for kept in (0, 7):
            excess = 0 if self.own_quota is None else max(0, own + kept - self.own_quota)
            assert self.ledger.excess_bytes_of(owner, sha256, size, kept) == excess
        reason = (self.own_quota is not None and own > self.own_quota and "yours") or (
            self.quota is not None and bound > self.quota and "in use"
        )
        if reason:
            with pytest.raises(QuotaExceededError, match=reason):
                self.ledger.announce(owner, sha256, size)
        else:
            self.ledger.announce(owner, sha256, size)
            self.uploads.append(SimpleNamespace(owner=owner, sha256=sha256, size=size, come=0))

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), kept=st.sampled_from([0, 5]))
    def bytes_come(self, data, kept):
        upload = data.draw(st.sampled_from(self.uploads))
        size = data.draw(st.integers(0, upload.size - upload.come))
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

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), whole=st.booleans())
    def upload_ends(self, data, whole):
        upload = data.draw(st.sampled_from(self.uploads))
        self.uploads.remove(upload)
        if whole and upload.come == upload.size:
            keys = StoredKeys(upload.owner, upload.sha256, bytes(32), upload.size, "")
            self.ledger.add(keys, self.now)
            self.stored = [each for each in self.stored if each is not self.entry(upload.owner, upload.sha256)]
            self.stored.append(SimpleNamespace(keys=keys, used_at=self.now))
        self.ledger.release(upload.come)
        self.ledger.withdraw(upload.owner, upload.size)

    @rule(owner=OWNERS, sha256=DIGESTS, size=SIZES, seconds=SECONDS)
    def found_on_disk(self, owner, sha256, size, seconds):
        """With any size: keys of one name may be replaced by those that a hash function has made the same."""
        keys = StoredKeys(owner, sha256, bytes(32), size, "")
        self.ledger.add(keys, self.now - seconds)
        self.stored = [each for each in self.stored if each is not self.entry(owner, sha256)]
        self.stored.append(SimpleNamespace(keys=keys, used_at=self.now - seconds))

    @precondition(lambda self: self.stored)
    @rule(data=st.data())
    def use(self, data):
        entry = data.draw(st.sampled_from(self.stored))
        assert self.ledger.begin_use(entry.keys, self.now) == entry.used_at
        entry.used_at = self.now
        self.uses.append(entry.keys)

    @precondition(lambda self: self.uses)
    @rule(data=st.data())
    def use_ends(self, data):
        keys = data.draw(st.sampled_from(self.uses))
        self.uses.remove(keys)
        entry = self.entry(keys.owner, keys.sha256)
        assert self.ledger.end_use(keys, self.now) == (None if entry is None else entry.used_at)
        if entry is not None:
            entry.used_at = self.now

    @rule(owner=OWNERS, sha256=DIGESTS)
    def delete(self, owner, sha256):
        entry = self.entry(owner, sha256)
        self.ledger.remove(owner, sha256)
        if entry is not None:
            self.stored.remove(entry)

    @rule()
    def expire(self):
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
        usages = self.ledger.usages(self.now)
        assert [usage.unused_seconds for usage in usages] == sorted(self.now - each.used_at for each in self.stored)
        for usage in usages:
            entry = self.entry(usage.keys.owner, usage.keys.sha256)
            assert usage.keys == entry.keys == self.ledger.get(usage.keys.owner, usage.keys.sha256)
            assert usage.unused_seconds == self.now - entry.used_at
            assert usage.in_use == self.is_used(usage.keys)


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
