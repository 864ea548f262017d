"""Where things are kept: keys and pins must be found again by every later version, so these places never change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptable_protocol.files.places import SERVER, config_folder, data_folder

VARIABLES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("base", [None, "", "relative/folder"])
def test_places_below_home(home: Path, monkeypatch: pytest.MonkeyPatch, platform: str, base: str | None) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    if base is not None:
        for name in VARIABLES:
            monkeypatch.setenv(name, base)
    assert config_folder() == home / ".config" / "cryptable"
    assert data_folder() == home / ".local" / "share" / "cryptable"
    assert data_folder(SERVER) == home / ".local" / "share" / "cryptable-server"


def test_places_that_the_environment_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, str(home / name))
    monkeypatch.setattr(sys, "platform", "linux")
    assert config_folder() == home / "XDG_CONFIG_HOME" / "cryptable"
    assert data_folder(SERVER) == home / "XDG_DATA_HOME" / "cryptable-server"
    monkeypatch.setattr(sys, "platform", "win32")
    assert config_folder() == home / "APPDATA" / "cryptable"
    assert data_folder() == home / "LOCALAPPDATA" / "cryptable"
