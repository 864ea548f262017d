"""What is freed goes back to the system, where glibc would keep it."""

import os
import subprocess
import sys

import pytest

# A block at the top of the heap keeps what is below it. In a process of its own: other threads would allocate there.
PROGRAM = """
import ctypes
from pathlib import Path
from cryptable_server.processes.heap import give_back

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

blocks = [libc.malloc(1 << 16) for _ in range(400)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 16)
for block in blocks[:-1]:
    libc.free(block)
before = pages()
give_back()
print(before - pages())
"""


@pytest.mark.skipif("glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="not glibc")
def test_freed_memory_goes_back():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) * os.sysconf("SC_PAGE_SIZE") > 20_000_000  # of 26 MB
