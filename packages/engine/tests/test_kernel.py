"""Which kernel evaluates, and that NumPy does where it cannot: said, and never with another result."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cryptable_kernel
import pytest
from cryptable_engine import KernelWarning, kernel, self_check
from cryptable_kernel import KernelUnavailable
from cryptable_protocol import InvalidInputError

EVALUATE = """
import warnings
from cryptable_engine import KernelWarning, self_check
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    finding = self_check._multiplies_bits()
warned = [str(each.message) for each in caught if each.category is KernelWarning]
print(finding.severity, finding.found, self_check._kernel().severity, *warned[:1], sep="|")
"""


@pytest.fixture
def state(monkeypatch):
    """Sets the variable, or what opening a kernel raises."""
    kernel._state.cache_clear()
    yield monkeypatch
    kernel._state.cache_clear()


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**{name: value for name, value in os.environ.items() if name != kernel.VARIABLE}, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip().split("|")


def raising(error):
    def open_kernel(choice):
        raise error

    return open_kernel


def test_it_is_switched_off(state):
    state.setenv(kernel.VARIABLE, "off")
    assert kernel.usable_kernel() is None
    assert kernel.kernel_state().path == "numpy"
    finding = self_check._kernel()
    assert (finding.severity, "NumPy" in finding.found) == ("warning", True)


def test_a_word_that_it_does_not_know(state):
    state.setenv(kernel.VARIABLE, "fast")
    with pytest.raises(InvalidInputError, match="CRYPTABLE_KERNEL='fast'"):
        kernel.usable_kernel()
    assert self_check._kernel().severity == "bad"


def test_none_was_built(state):
    state.setattr(cryptable_kernel, "open_kernel", raising(KernelUnavailable("no compiler", is_expected=True)))
    assert kernel.usable_kernel() is None
    assert "no compiler" in self_check._kernel().found


def test_something_is_wrong_with_it(state):
    state.setattr(cryptable_kernel, "open_kernel", raising(KernelUnavailable("it is damaged", is_expected=False)))
    with pytest.warns(KernelWarning, match="it is damaged"):
        assert kernel.usable_kernel() is None


@pytest.mark.encrypted
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_library_cut_short_leaves_the_work_to_numpy(tmp_path, share):
    installed = Path(cryptable_kernel.__file__).parent
    if not (installed / "_kernel.json").is_file():
        pytest.skip("no library was built here")
    shutil.copytree(installed, tmp_path / "cryptable_kernel", ignore=shutil.ignore_patterns("__pycache__"))
    (library,) = (tmp_path / "cryptable_kernel").glob("_kernel.[!j]*")
    library.write_bytes(library.read_bytes()[: int(share * library.stat().st_size)])
    severity, found, kernel_severity, warned = run(EVALUATE, PYTHONPATH=str(tmp_path))
    assert (severity, kernel_severity) == ("good", "warning")
    assert "evaluated by numpy" in found
    assert "damaged" in warned


@pytest.mark.encrypted
def test_without_the_package_numpy_does_the_work():
    severity, found, kernel_severity, warned = run("import sys\nsys.modules['cryptable_kernel'] = None\n" + EVALUATE)
    assert (severity, kernel_severity) == ("good", "warning")
    assert "evaluated by numpy" in found
    assert "does not load" in warned
