"""The demo's end user: run as a script in a process of its own, which has the client package and nothing else of ours.

Reads one JSON request from standard input, and writes one JSON event a line to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import util
from pathlib import Path

MUST_BE_ABSENT = ("concrete", "torch", "sklearn", "onnx", "xgboost", "cryptable", "cryptable_engine")


def tell(event: str, **facts: object) -> None:
    """Write one event."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def peak_memory_bytes() -> int | None:
    """Largest resident size of this process so far, where the system tells."""
    try:
        # Not from getrusage, which starts a process off with the peak of the one that started it.
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):  # no Linux
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    """Encrypt the rows of the request, have them evaluated, decrypt the answers."""
    request = json.load(sys.stdin)
    present = [name for name in MUST_BE_ABSENT if util.find_spec(name) is not None]
    tell("started", present=present)
    if present:
        return 1

    began = time.perf_counter()
    from cryptable_client import connect

    tell("imported", seconds=time.perf_counter() - began)
    certificates = request["root_certificates"]
    with connect(
        request["address"],
        model=request["model"],
        root_certificates=None if certificates is None else Path(certificates),
        insecure=certificates is None,
    ) as remote:
        tell("ready", timings=remote.timings, traffic=remote.traffic, peak_memory_bytes=peak_memory_bytes())
        for index, row in enumerate(request["rows"]):
            before, began = dict(remote.traffic), time.perf_counter()
            score = float(remote.decision_function([row])[0])
            tell(
                "row",
                index=index,
                score=score,
                seconds=time.perf_counter() - began,
                timings=remote.timings,
                traffic={name: count - before.get(name, 0) for name, count in remote.traffic.items()},
            )
        tell("done", peak_memory_bytes=peak_memory_bytes())
    return 0


if __name__ == "__main__":
    sys.path.append(sys.argv[1])  # the only folder beside the standard library
    sys.exit(main())
