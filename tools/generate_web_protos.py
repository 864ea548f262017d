"""Generates packages/web's TypeScript code from protos/, as far as a browser needs them.

python tools/generate_web_protos.py           write it
python tools/generate_web_protos.py --check   exit with 1 where what is committed differs

Takes protoc-gen-es of packages/web/node_modules, which `make setup-web` installs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from generate_protos import replace_or_check
from generated_files import ROOT, only_check

WEB = ROOT / "packages/web"
TARGET = WEB / "src/generated"
TYPES = ("cryptable.v1.Inference", "cryptable.v1.ClientSpec")
"""With what they refer to. The rest, circuits and artifacts, no browser ever sees."""


def generate(into: Path) -> None:
    """Write all generated modules below `into`."""
    plugin = WEB / "node_modules/.bin/protoc-gen-es"
    options = ["target=ts", "import_extension=js"]
    template = {"version": "v2", "plugins": [{"local": str(plugin), "out": str(into), "opt": options}]}
    types = [option for name in TYPES for option in ("--type", name)]
    buf = Path(sys.executable).with_name("buf")
    command = [str(buf), "generate", str(ROOT / "protos"), "--template", json.dumps(template), *types]
    subprocess.run(command, check=True, env={**os.environ, "BUF_CACHE_DIR": str(into / ".cache")})
    shutil.rmtree(into / ".cache", ignore_errors=True)


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "generated"
        made.mkdir()
        generate(made)
        return replace_or_check(made, TARGET, "*.ts", check=check)


if __name__ == "__main__":
    sys.exit(main())
