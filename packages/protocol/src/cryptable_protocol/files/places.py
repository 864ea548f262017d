"""Folders for what is kept between runs: one rule for all packages and systems."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CLIENT = "cryptable"
"""Also the developer's, who is one of a client's users."""
SERVER = "cryptable-server"


def config_folder(program: str = CLIENT) -> Path:
    """For settings and pins: $XDG_CONFIG_HOME or ~/.config, on macOS too; %APPDATA% on Windows."""
    return _folder("XDG_CONFIG_HOME", Path(".config"), "APPDATA") / program


def data_folder(program: str = CLIENT) -> Path:
    """For keys: $XDG_DATA_HOME or ~/.local/share, on macOS too; %LOCALAPPDATA% on Windows."""
    return _folder("XDG_DATA_HOME", Path(".local", "share"), "LOCALAPPDATA") / program


def _folder(variable: str, below_home: Path, windows_variable: str) -> Path:
    base = os.environ.get(windows_variable if sys.platform == "win32" else variable)
    # A relative path is none, says the XDG specification: it would be another folder wherever a program is started.
    return Path(base) if base and Path(base).is_absolute() else Path.home() / below_home
