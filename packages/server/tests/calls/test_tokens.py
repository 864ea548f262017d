import contextlib
import hashlib
import hmac
import json
import os
import resource
import subprocess
import sys
import threading

import pytest
from cryptable_server.calls.tokens import TokenFile, new_token, read_tokens, revoke_token
from cryptable_server.errors import ConfigurationError
from cryptable_server.principals import Role


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.json"


def test_a_token_tells_its_principal_and_roles(path):
    _, alice = new_token(path, "alice", [Role.EVALUATE])
    _, bob = new_token(path, "bob", Role)
    tokens = TokenFile(path)
    found = tokens.find(alice)
    assert (found.name, found.roles) == ("token:alice", {Role.EVALUATE})
    assert tokens.find(bob).roles == set(Role)
    assert alice != bob


def test_the_file_holds_no_token(path):
    _, secret = new_token(path, "alice", Role)
    text = path.read_text()
    assert secret not in text
    assert secret.split("_", 2)[2] not in text
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1],
        lambda t: t + "x",
        lambda t: t.upper(),
        lambda t: "",
        lambda t: t.rpartition("_")[2],
        lambda t: t[1:],
    ],
)
def test_nearly_a_token_is_none(path, change):
    token, secret = new_token(path, "alice", Role)
    tokens = TokenFile(path)
    assert tokens.find(change(secret)) is None
    assert tokens.find(token.sha256) is None  # who reads the file cannot call
    assert tokens.find(secret) is not None


def test_every_token_is_compared_whole_whichever_is_shown(path, monkeypatch):
    """Neither how far a token agrees, nor which one it is, shows in the work that is done."""
    secrets = [new_token(path, name, Role)[1] for name in ("alice", "bob", "carol")]
    tokens, compared = TokenFile(path), []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append((one, other)) or compare(one, other))
    for shown in (*secrets, "nobody's", secrets[0][:-1]):
        compared.clear()
        tokens.find(shown)
        assert [one for one, _ in compared] == [token.sha256 for token in read_tokens(path)]
        assert {other for _, other in compared} == {hashlib.sha256(shown.encode()).hexdigest()}


def test_a_change_of_the_file_is_seen_at_once(path):
    token, secret = new_token(path, "alice", Role)
    tokens = TokenFile(path)
    _, second = new_token(path, "alice", Role)
    assert tokens.find(second) == tokens.find(secret)
    revoke_token(path, token.identity)
    assert tokens.find(secret) is None
    assert tokens.find(second) is not None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2, "tokens": []}', '{"version": 1, "tokens": [{}]}'])
def test_a_damaged_file_lets_nobody_in(path, content):
    _, secret = new_token(path, "alice", Role)
    tokens = TokenFile(path)
    path.write_text(content)
    assert tokens.find(secret) is None
    with pytest.raises(ConfigurationError, match=r"token file .*tokens\.json"):
        TokenFile(path)
    path.unlink()
    assert tokens.find(secret) is None


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        pytest.param(lambda path: path.chmod(0o622), lambda path: path.chmod(0o600), id="mode"),
        pytest.param(
            lambda path: path.rename(path.with_suffix(".away")),
            lambda path: path.with_suffix(".away").rename(path),
            id="renamed",
        ),
        pytest.param(
            lambda path: (path.rename(path.with_suffix(".away")), os.mkfifo(path)),
            lambda path: path.with_suffix(".away").replace(path),
            id="FIFO",
        ),
    ],
)
def test_a_mended_file_lets_everyone_in_again(path, spoil, mend):
    """Of the same inode, size and time of modification as before."""
    _, secret = new_token(path, "alice", Role)
    tokens = TokenFile(path)
    spoil(path)
    assert tokens.find(secret) is None
    mend(path)
    assert tokens.find(secret) is not None


def test_a_file_that_could_not_be_opened_for_a_while_is_read_again(path):
    """Nothing about the file tells that the table of open files was full."""
    _, secret = new_token(path, "alice", Role)
    tokens = TokenFile(path)
    new_token(path, "bob", Role)
    with no_more_files():
        assert tokens.find(secret) is None
    assert tokens.find(secret) is not None


def test_what_is_wrong_with_the_file_is_logged_once(path, caplog):
    new_token(path, "alice", Role)
    tokens = TokenFile(path)
    path.write_text("{")
    for _ in range(3):
        tokens.find("nobody's")
    assert [record.message for record in caplog.records] == ["tokens cannot be read"]


@contextlib.contextmanager
def no_more_files():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_entries_are_checked(path):
    new_token(path, "alice", Role)
    good = json.loads(path.read_text())
    for field, value in [("roles", "evaluate"), ("roles", ["all"]), ("sha256", "00"), ("sha256", "zz" * 32)]:
        bad = {**good, "tokens": [{**good["tokens"][0], field: value}]}
        path.write_text(json.dumps(bad))
        with pytest.raises(ConfigurationError, match="malformed"):
            read_tokens(path)


def test_a_file_that_others_may_write_to_is_refused(path):
    new_token(path, "alice", Role)
    path.chmod(0o622)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        TokenFile(path)


@pytest.mark.parametrize("name", ["", "x" * 129, "two\nlines", "\x1b[31m"])
def test_names_are_for_people(path, name):
    with pytest.raises(ConfigurationError, match="printable"):
        new_token(path, name, Role)
    assert not path.exists()


def test_tokens_made_at_once_are_all_kept(path):
    threads = [threading.Thread(target=new_token, args=(path, f"p{number}", Role)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token.principal for token in read_tokens(path)) == [f"p{number}" for number in range(8)]
    assert sorted(found.name for found in path.parent.iterdir()) == [".tokens.json.lock", "tokens.json"]


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cryptable_server", "tokens", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_commands(path):
    made = command("new", "--file", path, "alice", "--roles", "evaluate")
    secret = made.stdout.strip()
    assert TokenFile(path).find(secret).name == "token:alice"
    assert secret not in made.stderr
    listed = command("list", "--file", path).stdout
    identity = listed.split()[0]
    assert listed.rstrip().endswith("evaluate  alice")
    assert identity in secret
    assert command("revoke", "--file", path, "00").returncode == 2
    assert command("revoke", "--file", path, identity).returncode == 0
    assert command("list", "--file", path).stdout == ""
    refused = command("new", "--file", path, "alice", "--roles", "root")
    assert (refused.returncode, "there are: evaluate, upload" in refused.stderr) == (2, True)


def test_a_token_in_a_file_is_its_owners_alone(path, tmp_path):
    output = tmp_path / "alice.token"
    made = command("new", "--file", path, "alice", "--output", output)
    assert (made.returncode, made.stdout) == (0, "")
    assert output.stat().st_mode & 0o777 == 0o600
    secret = output.read_text().strip()
    assert TokenFile(path).find(secret).name == "token:alice"
    assert secret not in made.stderr
    again = command("new", "--file", path, "bob", "--output", output)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert [token.principal for token in read_tokens(path)] == ["alice"]


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, True), (0o600, False)])
def test_a_file_that_a_shell_has_made_for_a_token_is_warned_of(path, tmp_path, mode, warned):
    (tmp_path / "alice.token").touch()
    (tmp_path / "alice.token").chmod(mode)
    arguments = [sys.executable, "-m", "cryptable_server", "tokens", "new", "--file", str(path), "alice"]
    with (tmp_path / "alice.token").open("w") as file:
        made = subprocess.run(arguments, stdout=file, stderr=subprocess.PIPE, text=True, timeout=60, check=True)
    assert ("chmod 600" in made.stderr) == warned
