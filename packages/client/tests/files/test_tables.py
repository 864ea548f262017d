import io
import math
import sys
import tracemalloc

import pytest
from cryptable_client.files.tables import Table, read_table, table_writer, write_table
from cryptable_protocol import AffineEncoder, CategoricalEncoder, InvalidInputError, UnusedFeature, encode_rows

NAMES = ("age", "dose")


def numbers(names):
    return tuple(AffineEncoder(name, 0.0, 1.0, 100) for name in names)


def read(tmp_path, text, names=NAMES):
    (tmp_path / "data.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(str(tmp_path / "data.csv"), numbers(names))


def test_columns_are_matched_by_name(tmp_path):
    table, left_out = read(tmp_path, "name,dose, age\nAda,1.5,36\n\nBob,2e-1,\n")
    assert table[0].tolist() == [36, 1.5]
    assert math.isnan(table[1, 0])
    assert table[1, 1] == 0.2
    assert left_out == ["name"]


def test_a_model_without_names_takes_columns_by_position(tmp_path):
    table, left_out = read(tmp_path, "a,b\n1,2\n", names=("x0", "x1"))
    assert table.tolist() == [[1, 2]]
    assert not left_out
    assert read(tmp_path, "x1,x0\n1,2\n", names=("x0", "x1"))[0].tolist() == [[2, 1]]


def test_categories_are_taken_as_they_stand(tmp_path):
    features = (*numbers(["age"]), CategoricalEncoder("site", ("lung", " lung", "7"), (0, 1, 2), missing=3))
    (tmp_path / "data.csv").write_text('site,age\n" lung",1\n,2\n7,3.5\n', "utf-8")
    table, _ = read_table(str(tmp_path / "data.csv"), features)
    assert table.tolist() == [[1.0, " lung"], [2.0, None], [3.5, "7"]]
    assert encode_rows(features, table)[:, 1:].sum(axis=1).tolist() == [1, 3, 2]


def test_whole_numbers_as_categories(tmp_path):
    features = (CategoricalEncoder("ward", (3, 5), (0, 1), missing=2), UnusedFeature("note"))
    (tmp_path / "data.csv").write_text("ward,note\n5,hello\n3.0,\n ,x\n", "utf-8")
    table, _ = read_table(str(tmp_path / "data.csv"), features)
    assert encode_rows(features, table).sum(axis=1).tolist() == [1, 0, 2]
    (tmp_path / "data.csv").write_text("ward,note\nfive,\n", "utf-8")
    with pytest.raises(InvalidInputError, match=r"'ward'.*'five'"):
        encode_rows(features, read_table(str(tmp_path / "data.csv"), features)[0])


def test_parquet_in_and_out(tmp_path):
    pytest.importorskip("pyarrow")
    path = str(tmp_path / "data.parquet")
    features = (*numbers(["age"]), CategoricalEncoder("site", ("lung", "skin"), (0, 1), missing=2))
    write_table(path, ["site", "age", "other"], [["skin", 1.5, 0], [None, None, 0]])
    table, left_out = read_table(path, features)
    assert table[0].tolist() == [1.5, "skin"]
    assert math.isnan(table[1, 0])
    assert table[1, 1] is None
    assert left_out == ["other"]
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidInputError, match="not a Parquet file"):
        read_table(str(tmp_path / "bad.parquet"), features)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_long_tables_pass_through_memory_some_rows_at_a_time(tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path, rows = str(tmp_path / f"long.{ending}"), 150_000
    tracemalloc.start()
    with table_writer(path, ["age", "note", "dose"]) as write:
        for start in range(0, rows, 1000):
            write([row, "a note of some length", row / 2] for row in range(start, start + 1000))
    table, seen = Table(path, numbers(("dose", "age"))), 0
    assert table.left_out == ["note"]
    for chunk in table.chunks(1000):
        assert len(chunk) <= 1000
        assert chunk[0].tolist() == [seen / 2, seen]
        seen += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == rows
    assert peak < 4 << 20
    assert [len(chunk) for chunk in table.chunks(100_000)] == [100_000, 50_000]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_writer_that_fails_leaves_what_was_there(tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"out.{ending}"
    write_table(str(path), ["a", "b"], [])
    before = path.read_bytes()

    def rows():
        yield [1, "x"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), table_writer(str(path), ["a", "b"]) as write:
        write(rows())
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])
    assert Table(str(path), numbers(("a",))).whole().shape == (0, 1)


def test_rows_are_counted_over_all_chunks(tmp_path):
    (tmp_path / "data.csv").write_text("age\n1\n2\n\n3\nfour\n")
    with pytest.raises(InvalidInputError, match="row 4: 'four' is no number"):
        list(Table(str(tmp_path / "data.csv"), numbers(["age"])).chunks(2))
    (tmp_path / "data.csv").write_text("age\n1\n2\n3\n4,5\n")
    with pytest.raises(InvalidInputError, match="row 4 has 2 cells"):
        list(Table(str(tmp_path / "data.csv"), numbers(["age"])).chunks(2))


def test_standard_input_is_read_as_often_as_a_file(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("age\n1\n2\n"))
    table = Table("-", numbers(["age"]))
    for _ in range(2):
        assert [chunk.tolist() for chunk in table.chunks(1)] == [[[1]], [[2]]]


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidInputError, match="pip install pyarrow"):
        read_table(str(tmp_path / "data.parquet"), numbers(["age"]))
    with pytest.raises(InvalidInputError, match="pip install pyarrow"):
        write_table(str(tmp_path / "out.parquet"), ["a"], [[1]])
    assert not (tmp_path / "out.parquet").exists()


def test_byte_order_mark_and_quotes(tmp_path):
    assert read(tmp_path, b'\xef\xbb\xbf"age","dose"\r\n"1","2"\r\n')[0].tolist() == [[1, 2]]


def test_header_alone_is_no_rows(tmp_path):
    assert read(tmp_path, "age,dose\n")[0].shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("1,2\n3,4\n", "numbers only"),
        ("age\n1\n", "missing: 'dose'"),
        ("age,dose,age\n1,2,3\n", "more than once: 'age'"),
        ("age,dose\n1,2\n3\n", "row 2 has 1 cells"),
        ("age,dose\n1,two\n", "column 'dose', row 1: 'two' is no number"),
        (b"age,dose\n\xff\xfe,1\n", "UTF-8"),
        ("age,dose\n1,\0\n", "no number|not a CSV"),
    ],
)
def test_refused(tmp_path, text, message):
    with pytest.raises(InvalidInputError, match=message):
        read(tmp_path, text)


def test_wrong_number_of_unnamed_columns(tmp_path):
    with pytest.raises(InvalidInputError, match="3 columns"):
        read(tmp_path, "a,b,c\n1,2,3\n", names=("x0", "x1"))


def test_a_missing_file(tmp_path):
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_table(str(tmp_path / "none.csv"), numbers(NAMES))


def in_another_encoding(data):
    """A standard stream as Windows opens it."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="cp1252", newline="\r\n")


@pytest.mark.parametrize(
    "make",
    [
        lambda: io.StringIO("age,dose\n1,2\n"),
        lambda: in_another_encoding("\ufeffage,dose,größe\r\n1,2,3\r\n".encode()),
    ],
    ids=["text", "UTF-8"],
)
def test_standard_streams(monkeypatch, capsys, make):
    monkeypatch.setattr("sys.stdin", make())
    assert read_table("-", numbers(NAMES))[0].tolist() == [[1, 2]]
    write_table("-", ["prediction"], [["yes"], ["no, never"]])
    assert capsys.readouterr().out == 'prediction\nyes\n"no, never"\n'


def test_standard_output_is_utf_8_whatever_the_system_says(monkeypatch):
    stream = in_another_encoding(b"")
    monkeypatch.setattr("sys.stdout", stream)
    write_table("-", ["prediction"], [["größer ☃"]])
    assert stream.buffer.getvalue() == "prediction\ngrößer ☃\n".encode()
    stream.write("and goes on")


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def rows():
        yield [1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(str(path), ["a"], rows())
    assert path.read_text() == "old"
    write_table(str(path), ["a"], [[1]])
    assert path.read_text() == "a\n1\n"
    assert list(tmp_path.iterdir()) == [path]
