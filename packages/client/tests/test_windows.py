"""The client where nothing is that only POSIX has: the branches for Windows run, in a process that lacks the rest.

Not a replacement for Windows, which no machine of ours runs: file locks, access lists and its C library are not here.
"""

import json
import os
import subprocess
import sys

import pytest

WITHOUT_POSIX = """
import asyncio, concurrent.futures, json, os, pathlib, subprocess, sys, tempfile
import cryptography.hazmat.primitives.ciphers.aead, google.protobuf.message, numpy as np

POSIX_ONLY = (
    "fork forkpty register_at_fork sched_getaffinity sched_setaffinity fchmod fchown chown lchown chroot getuid "
    "geteuid getgid getegid setuid setgid setsid getpgid killpg mkfifo mknod wait wait3 wait4 nice uname statvfs "
    "fstatvfs posix_fallocate posix_fadvise sendfile getloadavg lockf O_DIRECTORY O_CLOEXEC O_NOFOLLOW"
).split()
MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "readline"}
for name in POSIX_ONLY:
    if hasattr(os, name):
        delattr(os, name)
for name in MODULES:
    sys.modules[name] = None

opened_folders = []
real_open = os.open
def open_as_windows_does(path, flags, *arguments, **options):
    if os.path.isdir(path) and str(path) != tempfile.gettempdir():  # which tempfile tries, and goes on
        opened_folders.append(path)
        raise PermissionError(13, "a folder is no file", str(path))
    return real_open(path, flags, *arguments, **options)
os.open = open_as_windows_does

folder = pathlib.Path(sys.argv[1])
os.environ["APPDATA"], os.environ["LOCALAPPDATA"] = str(folder / "Roaming"), str(folder / "Local")
real_name, sys.platform, os.name = os.name, "win32", "nt"
import cryptable_client.aio, cryptable_client.commands.keys, cryptable_client.keys.directory
import cryptable_protocol.files.places, cryptable_client.files.tables, cryptable_client.files.tensors
import cryptable_client.server.trust
from cryptable_client import SecretKeys, decrypt, encrypt, spool
from cryptable_protocol.files import whole
from cryptable_protocol import ClientSpec, encode_rows
os.name = real_name  # pathlib looks at it whenever a path is made

from cryptable_client.keys.evaluation_keys import usable_cores
from cryptable_client.keys.directory import KeyDirectory
from cryptable_protocol.files.places import config_folder, data_folder
from cryptable_client.files.tables import read_table, write_table
from cryptable_client.files.tensors import TensorFile, TensorKind, write_tensors
from cryptable_client.schemes.scheme import read_tensor
from cryptable_client.server.trust import _Pin

assert not whole.POSIX
spec = ClientSpec.from_bytes(pathlib.Path(sys.argv[2]).read_bytes())
directory = KeyDirectory()
directory.create(spec, name="mine", passphrase="long enough").close()
with directory.load("mine", passphrase="long enough") as secret_keys:
    with spool(secret_keys, path=directory.evaluation_keys("mine")) as spooled:
        size = sum(len(data) for _, data in spooled.chunks())
    with spool(secret_keys) as temporary:
        assert temporary.header.size == size
    (folder / "in.csv").write_text("age,dose\\n22,3\\n", "utf-8")
    row = encode_rows(spec.features, read_table(str(folder / "in.csv"), spec.features)[0])[0]
    tensor = encrypt(spec, secret_keys, row)
    write_tensors(folder / "rows", [tensor], kind=TensorKind.ROWS, client_spec_digest=spec.digest)
    (read,) = TensorFile.open(folder / "rows", kind=TensorKind.ROWS, client_spec_digest=spec.digest).messages()
    decrypted = decrypt(spec, secret_keys, read_tensor(spec, read)).tolist()
    plain = folder / "plain.keys"
    secret_keys.save(plain, insecure_plaintext=True)
plain.chmod(0o644)  # permission bits mean nothing there
SecretKeys.load(plain, insecure_plaintext=True).close()
directory.rotate("mine", passphrase="long enough")
assert not directory.evaluation_keys("mine").exists()
directory.delete("mine")
pin = _Pin(config_folder() / "pins", "host:1", "model")
pin.check({"signer": None}, accept_changes=False)
pin.check({"signer": None}, accept_changes=False)
write_table(str(folder / "out.csv"), ["prediction"], [[value] for value in decrypted])
print(json.dumps({
    "decrypted": decrypted, "row": row.tolist(), "size": size, "cores": usable_cores(), "opened": opened_folders,
    "config": str(config_folder()), "data": str(data_folder()), "left": sorted(os.listdir(data_folder() / "keys")),
}))
"""


@pytest.mark.skipif(os.name != "posix", reason="what is taken away is POSIX's")
def test_the_whole_use_without_posix(tmp_path, spec):
    (tmp_path / "spec").write_bytes(spec.to_bytes())
    command = [sys.executable, "-W", "error", "-c", WITHOUT_POSIX, tmp_path, tmp_path / "spec"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["decrypted"] == told["row"]
    assert told["size"] == spec.keyset.evaluation_keys_bytes
    assert told["cores"] == os.cpu_count()
    assert told["config"] == str(tmp_path / "Roaming" / "cryptable")
    assert told["data"] == str(tmp_path / "Local" / "cryptable")
    assert told["left"] == []
    assert told["opened"] == []


def test_what_is_taken_away_is_there():
    """Else the test above would pass without having taken anything away."""
    names = WITHOUT_POSIX.partition("POSIX_ONLY = (")[2].partition(").split()")[0].replace('"', "").split()
    assert len([name for name in names if hasattr(os, name)]) > 20 or os.name != "posix"
