import pytest
from cryptable_server.commands.text_tables import bytes_text, seconds_text, table


def test_columns_are_as_wide_as_their_longest_entry():
    assert table([("a", "bcd", ""), ("ef", "g", "h")]) == "a   bcd\nef  g    h\n"
    assert table([]) == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (25 << 20, "25.0 MiB"), (3 << 41, "6144.0 GiB")],
)
def test_sizes(size, text):
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (7260, "2 h 1 min"), (200_000, "2 d 7 h")]
)
def test_times(seconds, text):
    assert seconds_text(seconds) == text
