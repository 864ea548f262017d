"""Users' programs name what the packages export: a name that goes, or takes other arguments, goes on purpose only."""

from difflib import unified_diff
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def names():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        import generate_public_names

        yield generate_public_names


def test_the_public_names_are_those_committed(names):
    committed = names.DOCUMENT.read_text(encoding="utf-8")
    changed = list(unified_diff(committed.splitlines(), names.public_names().splitlines(), "committed", "now", n=0))
    assert not changed, "if that is meant, keep an alias, say it in CHANGELOG.md and run `make generate`"


MODULE = '''
class Better:
    """A new name."""
    kept = 1
    def call(self, given: int = 3, *, told: str = "") -> None: ...
    def _own(self) -> None: ...
Good = Better
def compute(rows, /, *, mode): ...
__all__ = ["Better", "Good", "compute"]
'''


def test_what_is_seen_of_a_module(names, tmp_path, monkeypatch):
    (tmp_path / "cryptable_sample.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    assert names.public_names(("cryptable_sample",)).splitlines() == [
        "cryptable_sample",
        "  Better()",
        "    .call(given, *, told)",
        "    .kept",
        "  Good = Better",
        "  compute(rows, /, *, mode)",
    ]
