"""CallCounter: how many calls are in progress, in all and of each principal, so that nobody takes others' places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cryptable_server.errors import TooManyCallsError
from cryptable_server.principals import ANONYMOUS, Principal, Role


class CallCounter:
    """Counts in one event loop.

    Of anonymous callers only all together are counted: they cannot be told apart. Administrators are let in when
    everything is full, which is when they are needed.
    """

    def __init__(self, *, most: int | None, most_each: int | None) -> None:
        """Let `most` calls be in progress, and `most_each` of one principal; None: any number."""
        self._most = most
        self._most_each = most_each
        self._calls: Counter[str] = Counter()

    @contextmanager
    def counting(self, principal: Principal) -> Iterator[None]:
        """While a call of theirs is answered; raises TooManyCallsError where it is one too many."""
        name = principal.name
        if Role.ADMIN not in principal.roles:
            self._check(name)
        self._calls[name] += 1
        try:
            yield
        finally:
            self._calls[name] -= 1
            if not self._calls[name]:
                del self._calls[name]

    @property
    def total(self) -> int:
        """Calls in progress."""
        return self._calls.total()

    def _check(self, name: str) -> None:
        if name != ANONYMOUS.name and self._most_each is not None and self._calls[name] >= self._most_each:
            raise TooManyCallsError(
                f"you have {self._calls[name]} calls in progress, the most that this server answers for one caller at "
                "once; end some, or wait"
            )
        if self._most is not None and self.total >= self._most:
            raise TooManyCallsError(f"this server has {self.total} calls in progress, as many as it answers at once")
