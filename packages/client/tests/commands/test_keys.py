"""`cryptable-client keys`: keys in a folder, shared by models of one keyset, rotated and forgotten everywhere."""

import json
import os
from dataclasses import replace

import grpc
import pytest
from cryptable_client import KeyFileError, SecretKeys
from cryptable_client.__main__ import main
from cryptable_client.keys.directory import KeyDirectory, Upload
from cryptable_protocol import InvalidInputError
from self_signed import self_signed

PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch):
    monkeypatch.setenv("CRYPTABLE_PASSPHRASE", PASSPHRASE)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def run(echo, folder, tmp_path):
    (tmp_path / "data.csv").write_text("age,dose\n22,3.0\n")

    def run(*arguments):
        server = ["--address", echo.address, "--insecure"]
        match arguments:
            case ("new", *rest):
                return main(["keys", "new", *server, "--model", "echo", "--key-directory", str(folder), *rest])
            case ("predict", *rest):
                files = ["--input", str(tmp_path / "data.csv"), "--output", str(tmp_path / "out.csv")]
                return main(["predict", *server, "--model", "echo", "--key-directory", str(folder), *files, *rest])
            case _:
                return main(["keys", *map(str, arguments), "--key-directory", str(folder)])

    return run


@pytest.fixture
def name(run, spec):
    assert run("new") == 0
    return spec.keyset.name.hex()[:16]


def test_a_second_model_of_the_keyset_uploads_nothing(run, name, echo, spec, servicer_module, folder, tmp_path):
    assert run("predict") == 0
    assert len(echo.uploads) == 1
    calls = echo.calls
    echo.spec, echo.calls = (
        replace(spec, parameters=replace(spec.parameters, p_error=2.0**-60), decoder=replace(spec.decoder, step=2.0)),
        [],
    )
    assert run("predict") == 0
    assert len(echo.uploads) == 1
    assert "UploadEvaluationKeys" in calls
    assert "UploadEvaluationKeys" not in echo.calls
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("2.0,2.0,2.0,0.0,0.0,12.0")


def test_list(run, name, echo, capsys):
    run("predict")
    assert run("new", "--name", "mine", "--expires-days", "30") == 0
    capsys.readouterr()
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "KEYSET", "CREATED", "EXPIRES", "ON", "SERVERS"]
    assert [line.split()[0] for line in lines[1:]] == [name, "mine"]
    assert echo.address in lines[1]
    assert "never" in lines[1]
    assert "never" not in lines[2]
    assert run("list", "--json") == 0
    kept, mine = json.loads(capsys.readouterr().out)
    assert (kept["name"], kept["expires"], kept["servers"]) == (name, None, [echo.address])
    assert (mine["name"], mine["expired"], mine["servers"]) == ("mine", False, [])


def test_rotation_makes_new_keys_and_servers_forget_the_old(run, name, echo, folder, capsys):
    run("predict")
    (old,) = echo.keys
    old_file, old_bytes = (folder / f"{name}.keys").read_bytes(), echo.keys[old]
    assert run("rotate", name) == 0
    assert not echo.keys
    assert "has forgotten" in capsys.readouterr().err
    assert (folder / f"{name}.keys").read_bytes() != old_file
    assert not (folder / f"{name}.evaluation-keys").exists()
    assert run("predict") == 0
    (new,) = echo.keys
    assert new != old
    assert echo.keys[new][:16] != old_bytes[:16]
    assert run("delete", name) == 0
    assert not echo.keys
    assert [path.name for path in folder.iterdir()] == ["to-delete.json"]


def test_a_server_that_cannot_be_told_is_told_later(run, name, echo, folder, capsys):
    run("predict")
    echo.failures = {"DeleteEvaluationKeys": [(grpc.StatusCode.UNAVAILABLE, "restarting")]}
    assert run("rotate", name) == 5
    assert "not told yet" in capsys.readouterr().err
    assert len(json.loads((folder / "to-delete.json").read_text())) == 1
    assert len(echo.keys) == 1
    assert run("delete", name) == 0
    assert not echo.keys
    assert json.loads((folder / "to-delete.json").read_text()) == []


def test_a_certificate_is_found_from_another_folder_and_named_where_it_is_no_more(
    spec, servicer_module, folder, tmp_path, monkeypatch, capsys
):
    certificate, key = self_signed("localhost")
    (tmp_path / "root.pem").write_bytes(certificate)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data.csv").write_text("age,dose\n22,3.0\n")
    keys = ["--key-directory", str(folder)]
    echo = servicer_module.EchoServicer(spec)
    with servicer_module.serving_with_tls(echo, certificate, key) as address:
        server = ["--address", address, "--root-certificates", "root.pem", "--model", "echo", *keys]
        monkeypatch.chdir(tmp_path)
        assert main(["keys", "new", *server, "--name", "mine"]) == 0
        assert main(["predict", *server, "--input", "data.csv", "--output", "out.csv"]) == 0
        assert len(echo.keys) == 1
        monkeypatch.chdir(tmp_path / "elsewhere")
        moved = (tmp_path / "root.pem").rename(tmp_path / "elsewhere" / "moved.pem")
        assert main(["keys", "rotate", "mine", *keys]) == 3
        told = capsys.readouterr().err
        assert "--root-certificates says where it is now" in told
        assert f"not told yet: {address}" in told
        moved.rename(tmp_path / "root.pem")
        assert main(["keys", "delete", "mine", *keys]) == 0
        assert not echo.keys


def test_rotation_needs_the_old_passphrase(run, name, folder, monkeypatch):
    before = (folder / f"{name}.keys").read_bytes()
    monkeypatch.setenv("CRYPTABLE_PASSPHRASE", "another passphrase")
    assert run("rotate", name) == 6
    assert (folder / f"{name}.keys").read_bytes() == before


def test_export(run, name, folder, tmp_path):
    (tmp_path / "new").write_text("another passphrase\n")
    arguments = ("--output", tmp_path / "copy", "--new-passphrase-file", tmp_path / "new")
    assert run("export", name, *arguments, "--evaluation-keys", tmp_path / "public") == 0
    with (
        SecretKeys.load(tmp_path / "copy", passphrase="another passphrase") as copy,
        KeyDirectory(folder).load(name, passphrase=PASSPHRASE) as kept,
    ):
        copied, original = copy._key_material(), kept._key_material()
        assert all((copied[key.id] == original[key.id]).all() for key in kept.keyset.secret_keys)
    assert (tmp_path / "public").read_bytes() == (folder / f"{name}.evaluation-keys").read_bytes()
    assert run("export", name, "--output", tmp_path / "copy") == 3  # exists


def test_expired_keys_are_refused_until_rotated(run, name, folder, monkeypatch, capsys):
    from cryptable_client.keys import lifetime

    assert run("rotate", name, "--expires-days", "1") == 0
    now = lifetime.time.time()
    monkeypatch.setattr(lifetime.time, "time", lambda: now + 2 * 86400)
    assert run("predict") == 6
    assert "expired on" in capsys.readouterr().err
    assert run("list") == 0
    assert "EXPIRED" in capsys.readouterr().out
    assert run("rotate", name) == 0
    assert run("predict") == 0


def test_names_that_exist_or_do_not(run, name, capsys):
    assert run("new") == 3
    assert "rotate or delete" in capsys.readouterr().err
    for action in ("rotate", "delete"):
        assert run(action, "absent") == 3
        assert f"it has: {name}" in capsys.readouterr().err
    for impossible in ("../escape", "a.b", "NUL", "com1", "x" * 65):
        assert run("new", "--name", impossible) == 3


def test_a_model_of_another_keyset_finds_no_keys(run, name, echo, spec, capsys):
    keyset = replace(spec.keyset, bootstrap_keys=(replace(spec.keyset.bootstrap_keys[0], base_log=11),))
    echo.spec = replace(spec, parameters=replace(spec.parameters, keyset=keyset))
    assert run("predict") == 3
    assert "keys new" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}x",
        b"[1]",
        b'[{"address": 1, "else": 2}]',
        b'[{"address": 1, "sha256": "%s"}]' % (b"0" * 64),
        b'[{"address": "a:1", "sha256": null}]',
        b'[{"address": "a:1", "sha256": "00"}]',
        b'[{"address": "a:1", "sha256": "%s", "insecure": 1}]' % (b"0" * 64),
        b"[" * 9999,
    ],
)
def test_a_damaged_list_of_uploads(folder, spec, content):
    directory = KeyDirectory(folder)
    directory.create(spec, name="a", passphrase=PASSPHRASE).close()
    (folder / "a.uploads.json").write_bytes(content)
    with pytest.raises(KeyFileError, match="no list of uploads"):
        directory.entry("a")


def test_a_damaged_key_file_does_not_hide_the_others(run, folder, spec, capsys):
    """They are listed and found; what is damaged is named, and the exit status says so."""
    directory = KeyDirectory(folder)
    for name in ("a", "b", "c"):
        directory.create(spec, name=name, passphrase=PASSPHRASE).close()
    for name in ("a", "c"):
        (folder / f"{name}.keys").write_bytes(b"not keys")
    assert run("list") == 6
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == ["NAME", "b"]
    assert "a.keys" in printed.err
    assert "c.keys" in printed.err
    assert run("list", "--json") == 6
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == ["b"]
    assert directory.find(spec.keyset).name == "b"
    directory.delete("b")
    with pytest.raises(InvalidInputError, match="damaged, so that nobody knows whose they are: a, c"):
        directory.find(spec.keyset)


def test_uploads_are_recorded_once(folder, spec):
    directory = KeyDirectory(folder)
    with pytest.raises(InvalidInputError, match="it has: none"):
        directory.entry("a")
    directory.create(spec, name="a", passphrase=PASSPHRASE).close()
    for _ in range(2):
        directory.record("a", Upload("localhost:1", "00" * 32))
    assert directory.entry("a").uploads == (Upload("localhost:1", "00" * 32),)


STRAYS = {
    "a folder": lambda path: path.mkdir(),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": lambda path: os.mkfifo(path),
}


@pytest.mark.skipif(os.name != "posix", reason="pipes, and links without privileges, are POSIX's")
@pytest.mark.parametrize("kind", STRAYS)
def test_strange_things_in_the_folder(run, name, echo, folder, spec, kind, capsys):
    """They are named or passed over; nothing hangs, and no traceback comes of them."""
    STRAYS[kind](folder / "stray.keys")
    assert run("list") == 0
    assert "stray" not in capsys.readouterr().out
    for action in ("rotate", "delete"):
        assert run(action, "stray") == 3
    assert run("new", "--name", "stray") == 3
    assert run("predict") == 0
    is_link = "link" in kind  # which is replaced, where a file is written anew
    for ending, status in (
        ("uploads.json", 0 if is_link else 3),
        ("evaluation-keys", 3),
        ("evaluation-keys.sha256", 0),
    ):
        path = folder / f"{name}.{ending}"
        path.unlink()
        STRAYS[kind](path)
        assert run("predict") == status
        path.rmdir() if kind == "a folder" else path.unlink()
        assert run("predict") == 0
    with pytest.raises((KeyFileError, OSError)):
        SecretKeys.load(folder / "stray.keys", passphrase=PASSPHRASE)


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_all_that_is_written_is_its_owners_alone(echo, tmp_path):
    """Whatever the umask: keys, what they encrypt, predictions, and whom one trusts."""
    server = ["--address", echo.address, "--insecure", "--model", "echo"]
    paths = {name: str(tmp_path / "out" / name) for name in ("spec", "keys", "rows", "answers", "table", "table2")}
    (tmp_path / "data.csv").write_text("age,dose\n22,3.0\n")
    data, pins = ["--input", str(tmp_path / "data.csv")], ["--pins", str(tmp_path / "pins")]
    folder = ["--key-directory", str(tmp_path / "folder")]

    def moved(source, target):
        return ["--input", paths[source], "--output", paths[target]]

    before = os.umask(0)
    try:
        (tmp_path / "out").mkdir(mode=0o700)
        for arguments in (
            ["spec", *server, *pins, "--output", paths["spec"]],
            ["keygen", "--spec", paths["spec"], "--output", paths["keys"], "--evaluation-keys"],
            ["encrypt", "--spec", paths["spec"], "--keys", paths["keys"], *data, "--output", paths["rows"]],
            ["relay", *server, "--evaluation-keys", f"{paths['keys']}.evaluation-keys", *moved("rows", "answers")],
            ["decrypt", "--spec", paths["spec"], "--keys", paths["keys"], *moved("answers", "table")],
            ["keys", "new", *server, *folder, "--name", "mine"],
            ["predict", *server, *folder, *data, "--output", paths["table2"]],
            ["keys", "rotate", "mine", *folder],
            ["predict", *server, *folder, *data, "--output", paths["table2"]],
        ):
            assert main(arguments) == 0, arguments
    finally:
        os.umask(before)
    written = {path for path in tmp_path.rglob("*") if path != tmp_path / "data.csv"}
    assert {path.name for path in written if path.is_dir()} == {"out", "pins", "folder"}
    assert {"mine.keys", "mine.evaluation-keys", "mine.uploads.json", "to-delete.json"} < {
        path.name for path in written
    }
    open_to_others = {str(path): oct(path.stat().st_mode) for path in written if path.stat().st_mode & 0o077}
    assert not open_to_others


def test_files_of_others_are_left_alone(folder, spec):
    """Somebody's copy beside the keys: neither listed nor in the way."""
    directory = KeyDirectory(folder)
    directory.create(spec, name="a", passphrase=PASSPHRASE).close()
    (folder / "a copy.keys").write_bytes((folder / "a.keys").read_bytes()[:-1])
    assert [entry.name for entry in directory.entries()] == ["a"]
    assert directory.find(spec.keyset).name == "a"
    assert directory.find(spec.keyset).name == "a"
