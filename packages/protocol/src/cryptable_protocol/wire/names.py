"""What a name may be: of a model, its version, a feature, a label, an estimator, a package."""

from __future__ import annotations

import unicodedata

from cryptable_protocol import limits
from cryptable_protocol.errors import MalformedMessageError

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs"})


def check_name(name: str, what: str, *, may_be_empty: bool = False) -> None:
    """Refuse a name that is too long, has control characters (it is printed on terminals), or is no valid Unicode.

    Args:
        name: the name.
        what: what it names, for the error message.
        may_be_empty: whether "" is a name.

    Raises:
        MalformedMessageError: it is none.
    """
    shortest = 0 if may_be_empty else 1
    if not shortest <= len(name) <= limits.MAX_NAME_LENGTH:
        raise MalformedMessageError(
            f"{what}: a name of {len(name)} characters, expected {shortest} .. {limits.MAX_NAME_LENGTH}"
        )
    if not name.isascii() or not name.isprintable():
        for position, character in enumerate(name):
            if unicodedata.category(character) in _REFUSED_CATEGORIES:
                raise MalformedMessageError(
                    f"{what}: {name!r} has a control character or half a surrogate pair at position {position}"
                )
