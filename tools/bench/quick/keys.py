"""What a client's keys cost: CPU seconds, megabytes and peak memory, by the width of the lookups."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def measure_keys() -> list[dict[str, Any]]:
    """Ours and concrete-python's own client, for lookups of 4 and 5 bits; the exit status tells of missed bars."""
    script = Path(__file__).parents[1] / "client_keygen.py"
    command = [sys.executable, "-W", "ignore", str(script), "--widths", "4", "5", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    figures: list[dict[str, Any]] = json.loads(done.stdout)
    return figures
