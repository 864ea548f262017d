"""ModelMirror: a directory has what a place in an object store has, and nothing of anybody else's."""

import object_stores
import pytest
from cryptable_server.errors import ConfigurationError, ModelsError, ObjectStoreError
from cryptable_server.models.mirror import ModelMirror
from cryptable_server.objects.places import open_place


@pytest.fixture(scope="module")
def url():
    with object_stores.object_server() as url:
        yield url


@pytest.fixture
def shelf(url, monkeypatch):
    for name, value in object_stores.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return open_place(object_stores.new_place(url), url, "--model-store")


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".mirrored"}


def test_copies_follow(shelf, tmp_path):
    shelf.put("a.cryptable", b"a")
    shelf.put("models.toml", b"settings")
    shelf.put("deeper/b.cryptable", b"b")
    shelf.put(".hidden.cryptable", b"c")
    mirror = ModelMirror(shelf, tmp_path / "models")
    assert held(tmp_path / "models") == {"a.cryptable": b"a", "models.toml": b"settings"}
    before = (tmp_path / "models" / "a.cryptable").stat().st_mtime_ns
    shelf.put("models.toml", b"others")
    shelf.put("c.cryptable", b"c")
    mirror.refresh()
    assert held(tmp_path / "models") == {"a.cryptable": b"a", "models.toml": b"others", "c.cryptable": b"c"}
    shelf.remove("c.cryptable")
    again = ModelMirror(shelf, tmp_path / "models")  # of another run
    assert held(tmp_path / "models") == {"a.cryptable": b"a", "models.toml": b"others"}
    assert (tmp_path / "models" / "a.cryptable").stat().st_mtime_ns == before
    again.refresh()


def test_what_is_there_stays_while_the_store_does_not_answer(shelf, tmp_path, monkeypatch):
    shelf.put("a.cryptable", b"a")
    mirror = ModelMirror(shelf, tmp_path)

    def silent(folder):
        raise ObjectStoreError("no answer")

    monkeypatch.setattr(shelf, "find", silent)
    mirror.refresh()
    assert held(tmp_path) == {"a.cryptable": b"a"}
    with pytest.raises(ModelsError, match="--model-store"):
        ModelMirror(shelf, tmp_path)


@pytest.mark.parametrize("file", ["mine.cryptable", "models.toml"])
def test_a_directory_of_other_models_is_not_touched(shelf, tmp_path, file):
    shelf.put("a.cryptable", b"a")
    (tmp_path / file).write_bytes(b"mine")
    with pytest.raises(ConfigurationError, match=f"{file}, which did not come from --model-store"):
        ModelMirror(shelf, tmp_path)
    assert held(tmp_path) == {file: b"mine"}


@pytest.mark.parametrize("said", [b"{", b"[]", b'{"a": 1}'])
def test_a_damaged_book_is_refused(shelf, tmp_path, said):
    (tmp_path / ".mirrored").write_bytes(said)
    with pytest.raises(ConfigurationError, match="damaged"):
        ModelMirror(shelf, tmp_path)
