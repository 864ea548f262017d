"""What is damaged, missing or for another machine is told apart, and never ends the process."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import cryptable_kernel
import numpy as np
import pytest
from cryptable_kernel import PATHS, VARIABLE, KernelUnavailable, Ring, aligned, open_kernel
from cryptable_kernel.library import INTERFACE

HERE = Path(cryptable_kernel.__file__).parent


@pytest.fixture
def folder(tmp_path):
    """A copy of what was built."""
    if not (HERE / "_kernel.json").is_file():
        pytest.skip("no library was built here")
    for path in HERE.glob("_kernel.*"):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


def why(folder):
    with pytest.raises(KernelUnavailable) as caught:
        open_kernel("auto", folder=folder)
    return str(caught.value), caught.value.is_expected


def write_record(folder, data, name="_kernel.so"):
    (folder / name).write_bytes(data)
    record = {"library": name, "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "_kernel.json").write_text(json.dumps(record))


def test_a_copy_works(folder):
    assert open_kernel("auto", folder=folder).path in PATHS
    assert open_kernel("base", folder=folder).path == "base"


def test_none_was_built(tmp_path):
    reason, expected = why(tmp_path)
    assert "without a C compiler" in reason
    assert expected


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_library_cut_short(folder, share):
    (library,) = (path for path in folder.glob("_kernel.*") if path.suffix != ".json")
    data = library.read_bytes()
    library.write_bytes(data[: int(share * len(data))])
    reason, expected = why(folder)
    assert "damaged" in reason
    assert not expected


def test_a_library_with_a_bit_flipped(folder):
    (library,) = (path for path in folder.glob("_kernel.*") if path.suffix != ".json")
    data = bytearray(library.read_bytes())
    data[len(data) // 2] ^= 1
    library.write_bytes(data)
    assert "damaged" in why(folder)[0]


def test_a_library_that_is_gone(folder):
    for path in folder.glob("_kernel.[!j]*"):
        path.unlink()
    assert "does not load" in why(folder)[0]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"library": 1}', '{"library": "x", "sha256": "y"}'])
def test_a_damaged_record(folder, text):
    (folder / "_kernel.json").write_text(text)
    reason, expected = why(folder)
    assert "damaged" in reason or "does not load" in reason
    assert not expected


def test_a_library_for_another_machine(folder):
    (library,) = (path for path in folder.glob("_kernel.*") if path.suffix != ".json")
    data = bytearray(library.read_bytes())
    data[18:20] = (243).to_bytes(2, "little")  # e_machine: RISC-V
    write_record(folder, bytes(data), library.name)
    reason, expected = why(folder)
    assert "does not load" in reason
    assert not expected


def compiled(folder, code):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("takes a C compiler")
    (folder / "other.c").write_text(code)
    subprocess.run([compiler, "-shared", "-fPIC", folder / "other.c", "-o", folder / "other.so"], check=True)
    write_record(folder, (folder / "other.so").read_bytes(), "other.so")


def test_a_library_of_another_version(tmp_path):
    compiled(tmp_path, "int cryptable_interface(void) { return 999; }")
    assert "interface 999" in why(tmp_path)[0]


def test_a_library_that_is_something_else(tmp_path):
    compiled(tmp_path, "int something(void) { return 0; }")
    assert "does not load" in why(tmp_path)[0]


def test_a_library_that_multiplies_wrongly(tmp_path):
    names = ("pairs", "add_multiple")
    nothing = "".join(f"void cryptable_{name}_base(void) {{}}\n" for name in (*names, "ring_make"))
    sizes = "".join(
        f"unsigned long cryptable_{name}_base(int n) {{ return 1024; }}\n" for name in ("ring_bytes", "scratch_bytes")
    )
    compiled(
        tmp_path,
        f"int cryptable_interface(void) {{ return {INTERFACE}; }}\nint cryptable_widest(void) {{ return 0; }}\n"
        f"{nothing}{sizes}",
    )
    assert "multiplies wrongly" in why(tmp_path)[0]


def test_the_variable(monkeypatch, folder):
    monkeypatch.setenv(VARIABLE, "off")
    with pytest.raises(KernelUnavailable, match="off") as caught:
        open_kernel(folder=folder)
    assert caught.value.is_expected
    monkeypatch.setenv(VARIABLE, "base")
    assert open_kernel(folder=folder).path == "base"
    monkeypatch.setenv(VARIABLE, "of")
    with pytest.raises(ValueError, match="expected auto, off or one of base, avx2, avx512"):
        open_kernel(folder=folder)


def test_python_goes_on_while_the_kernel_computes(folder):
    """A thread that counts is not held up by a call of a tenth of a second."""
    ring = Ring(open_kernel("base", folder=folder), 4096)
    polynomials, out = aligned(2000, 4096), aligned(2000, 4096)
    counted, done = [], threading.Event()

    def count():
        while not done.is_set():
            counted.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    began = time.perf_counter()
    ring.transform(polynomials, out)
    ended = time.perf_counter()
    done.set()
    thread.join()
    assert sum(began < moment < ended for moment in counted) >= 2


def test_results_do_not_depend_on_the_thread(folder):
    ring = Ring(open_kernel("auto", folder=folder), 2048)
    polynomials = aligned(8, 2048)
    polynomials[:] = np.random.default_rng(0).normal(size=polynomials.shape)
    outs = [aligned(8, 2048) for _ in range(4)]
    threads = [threading.Thread(target=ring.transform, args=(polynomials, out)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((out == outs[0]).all() for out in outs)


def test_importing_loads_no_library():
    code = "import sys, cryptable_kernel; sys.exit(any('_kernel.' in line for line in open('/proc/self/maps')))"
    if not Path("/proc/self/maps").exists():
        pytest.skip("takes /proc")
    subprocess.run([sys.executable, "-c", code], check=True)
