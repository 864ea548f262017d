import io

from cryptable.console.terminal import plain_lines, rule, show
from rich.console import Console
from rich.table import Table


class Report:
    def __rich_console__(self, console, options):
        table = Table(title="Fruit")
        table.add_column("kind")
        table.add_column("price")
        table.add_row("[bold]apple[/]", "a text that is " + "long " * 40)
        yield table
        yield "and that is all"


def printed(**settings):
    file = io.StringIO()
    console = Console(file=file, width=60, **settings)
    rule(console, "Shop")
    show(console, Report())
    return file.getvalue()


def test_lines_are_plain_and_whole_elsewhere():
    shop, title, header, row, last = printed(force_terminal=False).splitlines()
    assert (shop, title, header, last) == ("== Shop", "Fruit", "kind\tprice", "and that is all")
    assert row == "apple\ta text that is " + "long " * 40


def test_terminal_gets_boxes_and_colours():
    assert "┃" in printed(force_terminal=True)
    assert "\x1b[" in printed(force_terminal=True)


def test_no_color(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    output = printed(force_terminal=True)
    assert "┃" in output
    assert not [code for code in ("\x1b[3", "\x1b[9") if code in output.replace("\x1b[3m", "")]


def test_unused_headers_are_left_out():
    table = Table(show_header=False)
    table.add_column()
    table.add_column()
    table.add_row("lookups", "none")
    assert list(plain_lines(Console(file=io.StringIO()), table)) == ["lookups\tnone"]
