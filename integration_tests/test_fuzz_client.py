"""A slice of tools/fuzz_client.py: what others write is read, or refused in type. The whole run has 100 000 cases."""

import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CASES = 2000


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_a_slice_finds_nothing():
    seed = str(random.randrange(2**32))
    done = run(ROOT / "tools" / "fuzz_client.py", "--cases", str(CASES), "--seed", seed)
    assert f"{CASES} cases" in done.stdout, done.stderr
    assert "FAILURE" not in done.stdout, done.stdout[-5000:]
    reached = [line for line in done.stdout.splitlines() if "(line " in line and not line.startswith("NEVER")]
    hit = [line for line in reached if int(line.split()[0])]
    assert len(hit) > 90  # of about 140: the rest needs more cases


def test_a_validator_that_lets_something_through_is_found(tmp_path):
    """The tool cannot pass vacuously: an error of another type, and a rule nobody enforces, are both told."""
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT / 'tools')!r})\n"
        "import fuzz_client\n"
        "from cryptable_protocol.encoding import decoder\n"
        "def broken(*_, **__): raise ZeroDivisionError\n"
        "decoder.check_name = broken\n"
        "sys.exit(fuzz_client.main())\n"
    )
    done = run(script, "--cases", "1000", "--seed", "1")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    assert "NEVER REACHED" in done.stdout
