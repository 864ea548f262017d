"""The subcommands of `cryptable`: one module each, found by a walk over this package."""

from cryptable.commands.registry import Command, commands

__all__ = ["Command", "commands"]
