"""A folder that hangs whoever looks at it, as one on a file server that is gone does."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def hanging_folder(place):
    """A FUSE file system at `place` that nobody answers for; only root may mount one."""
    place.mkdir()
    mount = shutil.which("mount")
    try:
        descriptor = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no file system that hangs can be made here: {error}")
    try:
        if mount is None or os.geteuid() != 0:
            pytest.skip("only root can mount a file system that hangs; test_timed_reader has functions that do")
        options = f"fd={descriptor},rootmode=40000,user_id=0,group_id=0"
        command = [mount, "--internal-only", "-t", "fuse", "-o", options, "hanging", str(place)]
        done = subprocess.run(command, pass_fds=[descriptor], capture_output=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
    finally:
        os.close(descriptor)  # whoever hangs gets an error
