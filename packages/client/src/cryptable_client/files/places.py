"""Folders for what is kept between runs, as each system has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "cryptable"


def config_folder() -> Path:
    """For settings and pins: $XDG_CONFIG_HOME or ~/.config; %APPDATA% on Windows."""
    return _folder("XDG_CONFIG_HOME", Path(".config"), "APPDATA")


def data_folder() -> Path:
    """For keys: $XDG_DATA_HOME or ~/.local/share; %LOCALAPPDATA% on Windows."""
    return _folder("XDG_DATA_HOME", Path(".local", "share"), "LOCALAPPDATA")


def _folder(variable: str, below_home: Path, windows_variable: str) -> Path:
    base = os.environ.get(windows_variable if sys.platform == "win32" else variable)
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / below_home) / _NAME
