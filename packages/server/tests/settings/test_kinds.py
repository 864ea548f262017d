from pathlib import Path

import pytest
import tomllib
from cryptable_server.settings.kinds import GIB, Address, FilePath, Names, Number, Switch, Text

WHOLE = Number("N", whole=True, minimum=1)
GIBIBYTES = Number("GIB", scale=GIB, zero_is_none=True)


@pytest.mark.parametrize(
    ("kind", "text", "raw", "converted"),
    [
        (WHOLE, "3", 3, 3),
        (GIBIBYTES, "0.2", 0.2, 214748365),
        (GIBIBYTES, "0", 0, None),
        (Number("SECONDS"), "5", 5, 5.0),
        (Number("DAYS", scale=86_400.0), "1.5", 1.5, 129_600.0),
        (Switch(), "true", True, True),
        (Switch(), "0", False, False),
        (Text("LEVEL"), "INFO", "INFO", "INFO"),
        (FilePath("FILE"), 'a/"b"\\ü', 'a/"b"\\ü', Path('a/"b"\\ü')),
        (Address(), "[::1]:80", "[::1]:80", ("::1", 80)),
        (Names(), "alice, bob", ("alice", "bob"), ("alice", "bob")),
    ],
)
def test_a_text_is_read_converted_and_written_as_toml(kind, text, raw, converted):
    assert kind.from_text(text) == raw
    assert kind.convert(raw) == converted
    kind.check(converted)
    again = tomllib.loads(f"key = {kind.to_toml(raw)}")["key"]
    assert kind.from_toml(again) == raw


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (WHOLE, ""),
        (WHOLE, "1.5"),
        (WHOLE, "four"),
        (WHOLE, "²"),
        (Number("SECONDS"), "inf"),
        (Number("SECONDS"), "nan"),
        (Switch(), "yes please"),
        (Text("LEVEL"), ""),
        (FilePath("FILE"), "a\nb"),
        (Names(), "alice,,bob"),
    ],
)
def test_other_texts_are_refused(kind, text):
    with pytest.raises(ValueError, match=r"is|has"):
        kind.from_text(text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (WHOLE, True),
        (WHOLE, 1.0),
        (WHOLE, "1"),
        (Number("SECONDS"), "1"),
        (Switch(), "true"),
        (Switch(), 1),
        (Text("LEVEL"), 1),
        (Names(), "alice"),
        (Names(), [1]),
    ],
)
def test_values_of_another_type_in_a_file_are_refused(kind, value):
    with pytest.raises(ValueError, match="is"):
        kind.from_toml(value)


@pytest.mark.parametrize(
    ("kind", "converted"),
    [
        (WHOLE, 0),
        (Number("SECONDS", or_equal=False), 0.0),
        (GIBIBYTES, -1),
        (Number("SECONDS"), None),
        (Text("LEVEL", choices=("INFO",)), "info"),
        (Address(), ("::1", 65536)),
    ],
)
def test_values_out_of_range_are_refused(kind, converted):
    with pytest.raises(ValueError, match=r"must be|is none of|has port"):
        kind.check(converted)
