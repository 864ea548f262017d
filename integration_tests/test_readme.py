"""Runs every README and every page of docs/ from top to bottom: its Python and its shell commands.

In a README each block of Python is a process of its own, with the large libraries loaded; in docs/, blocks that follow
each other are one program, as a reader takes them. Blocks marked `console` are for people and are not run; blocks in an
HTML comment are run but not shown. A shell command that ends in `&` is a server: it runs until the page ends, and the
next block waits for the line in which it says that it is ready.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", *sorted(each.with_name("README.md") for each in ROOT.glob("packages/*/pyproject.toml"))]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT_IN_TEXT = "50051"


def runnable_blocks(text):
    """(language, first line's number, content) of the blocks to run, in order."""
    return [
        (block[1], text.count("\n", 0, block.start(2)) + 1, block[2])
        for block in FENCE.finditer(text)
        if block[1] in ("python", "sh")
    ]


def joined_blocks(text):
    """The same, with blocks of Python that follow each other as one; its lines keep their numbers."""
    joined = []
    for language, number, content in runnable_blocks(text):
        if joined and language == "python" == joined[-1][0]:
            _, first, before = joined.pop()
            number, content = first, before + "\n" * (number - first - before.count("\n")) + content
        joined.append((language, number, content))
    return joined


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def run(language, content, environment, folder, forks):
    """Run one block that ends by itself; returns its output."""
    if language == "python":
        done = forks.run(content, environment, folder, folder)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout
    done = subprocess.run(
        ["bash", "-euc", content],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def start(content, environment, folder, cleanup):
    """Start a server and wait until it is ready."""
    command = shlex.split(content.removesuffix("&").replace("\\\n", " "))
    log = cleanup.enter_context((folder / "server.log").open("w+"))
    server = cleanup.enter_context(
        subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    )
    cleanup.callback(server.terminate)
    for line in server.stdout:
        if " ready on " in line:
            return
    log.seek(0)
    pytest.fail(f"{content!r} ended with status {server.wait()}:\n{log.read()}")


def test_blocks_keep_their_order_and_line_numbers():
    text = "Intro\n```python\na = 1\n```\ntext\n```console\n$ make\n```\n```sh\nserve &\n```\n"
    assert runnable_blocks(text) == [("python", 3, "a = 1\n"), ("sh", 10, "serve &\n")]


def test_blocks_of_a_page_are_one_program():
    text = "```python\na = 1\n```\ntext\n```python\nb = a\n```\n```sh\nls\n```\n```python\nc = 1\n```\n"
    assert joined_blocks(text) == [("python", 2, "a = 1\n\n\n\nb = a\n"), ("sh", 9, "ls\n"), ("python", 12, "c = 1\n")]


def run_page(readme, folder, forks, blocks=runnable_blocks):
    """Run a README or page; returns the outputs of its Python blocks."""
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([programs, os.environ["PATH"]]), "HOME": str(folder)}
    text = readme.read_text(encoding="utf-8").replace(PORT_IN_TEXT, free_port())
    outputs = []
    with ExitStack() as cleanup:
        for language, number, content in blocks(text):
            try:
                if language == "sh" and content.rstrip().endswith("&"):
                    start(content.rstrip(), environment, folder, cleanup)
                else:
                    output = run(language, content, environment, folder, forks)
                    outputs += [output] if language == "python" else []
            except AssertionError as error:
                pytest.fail(f"{readme.relative_to(ROOT)}, the block at line {number}: {error}", pytrace=False)
    return outputs


@pytest.mark.encrypted
def test_root_readme_decrypts_what_the_estimator_predicts(tmp_path, forks):
    developer, end_user = run_page(READMES[0], tmp_path, forks)
    assert end_user.splitlines()[-1] == developer.splitlines()[-1]


@pytest.mark.encrypted
@pytest.mark.parametrize("readme", READMES[1:], ids=lambda path: path.parent.name)
def test_package_readme_runs(readme, tmp_path, forks):
    assert readme.read_text(encoding="utf-8").startswith("# cryptable")
    run_page(readme, tmp_path, forks)


@pytest.mark.encrypted
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if runnable_blocks(page.read_text(encoding="utf-8"))],
    ids=lambda path: path.relative_to(ROOT / "docs").as_posix(),
)
def test_page_runs(page, tmp_path, forks):
    run_page(page, tmp_path, forks, joined_blocks)


def test_guides_have_something_to_run():
    for role in ("developer", "end-user", "operator"):
        assert len(runnable_blocks((ROOT / f"docs/guides/{role}.md").read_text(encoding="utf-8"))) >= 3
