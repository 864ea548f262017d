"""What the encoders of a pipeline know of its columns of text: more than the calibration data show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class KnownText:
    """What may stand in a column of text: these categories, and anything else where `takes_unknown`."""

    categories: tuple[str, ...]
    takes_unknown: bool

    @property
    def stranger(self) -> str:
        """A text that is none of the categories: what the library makes of it, it makes of every other one too."""
        text = "none of the categories"
        while text in self.categories:
            text += "!"
        return text


@dataclass(eq=False)
class TextReaders:
    """Encoders that read raw columns of text, written down as the steps of a pipeline are read."""

    _by_source: dict[int, list[tuple[frozenset[str], bool]]] = field(default_factory=dict)

    def add(self, source: int, categories: Iterable[object], *, takes_unknown: bool) -> None:
        """An encoder of raw column `source`: its categories, and whether it takes what is none of them."""
        known = frozenset(each for each in categories if isinstance(each, str))
        self._by_source.setdefault(source, []).append((known, takes_unknown))

    def known(self, source: int, seen: Iterable[str]) -> KnownText:
        """What may stand in a column where the calibration data have the texts `seen`.

        A category that one encoder knows and another one refuses cannot stand there.
        """
        readers = self._by_source.get(source, [])
        every = {text for categories, _ in readers for text in categories}
        taken = {text for text in every if all(open_ or text in categories for categories, open_ in readers)}
        takes_unknown = bool(readers) and all(open_ for _, open_ in readers)
        return KnownText(tuple(sorted({*taken, *seen})), takes_unknown)
