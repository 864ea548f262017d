"""CallCounter: how many calls each principal has in progress, so that nobody takes the places of all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cryptable_server.errors import TooManyCallsError
from cryptable_server.principals import ANONYMOUS, Principal


class CallCounter:
    """Counts in one event loop. Anonymous callers are not counted: they cannot be told apart."""

    def __init__(self, most: int | None) -> None:
        """Let each principal have `most` calls in progress; None: any number."""
        self._most = most
        self._calls: Counter[str] = Counter()

    @contextmanager
    def counting(self, principal: Principal) -> Iterator[None]:
        """While a call of theirs is answered; raises TooManyCallsError where it is one too many."""
        name = principal.name
        if name != ANONYMOUS.name and self._most is not None and self._calls[name] >= self._most:
            raise TooManyCallsError(
                f"you have {self._calls[name]} calls in progress, the most that this server answers for one caller at "
                "once; end some, or wait"
            )
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
