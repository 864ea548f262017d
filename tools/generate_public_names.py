"""Writes integration_tests/public_names.txt: the names that users of the five packages may rely on, aliases included.

python tools/generate_public_names.py           write it
python tools/generate_public_names.py --check   exit with 1 where what is committed differs

What a name gives is shown as far as users call it: the parameters of functions, and of classes what they define for
others. A name that stands for something of another name is an alias. A change here is a change for users: a name that
goes keeps an alias, and the changelog says so.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from generated_files import ROOT, only_check, write_or_check

DOCUMENT = ROOT / "integration_tests/public_names.txt"
MODULES = (
    "cryptable",
    "cryptable.errors",
    "cryptable.neural",
    "cryptable_client",
    "cryptable_client.aio",
    "cryptable_client.errors",
    "cryptable_engine",
    "cryptable_engine.errors",
    "cryptable_protocol",
    "cryptable_protocol.errors",
    "cryptable_server",
    "cryptable_server.errors",
)
"""The packages, and the modules that the documents tell users to import."""
MADE_BY_US = frozenset({"AsyncRemoteModel", "CompiledModel", "RemoteModel", "SecretKeys", "ServerKeys"})
"""Classes whose constructor is no business of users, nor are those of data classes that have results."""


def public_names(modules: tuple[str, ...] = MODULES) -> str:
    """The text: a paragraph for each module, a line for each name and each member of a class."""
    return "\n".join("\n".join(_lines(import_module(name))) + "\n" for name in modules)


def _lines(module: ModuleType) -> Iterator[str]:
    yield module.__name__
    for name in _exported(module):
        value = getattr(module, name)
        own = getattr(value, "__name__", name)
        if isinstance(value, ModuleType):
            yield f"  {name}: module"
        elif own != name:
            yield f"  {name} = {own}"
        elif inspect.isclass(value) and issubclass(value, BaseException):
            yield f"  {name}({', '.join(base.__name__ for base in value.__bases__)})"
        elif inspect.isclass(value):
            values = dataclasses.is_dataclass(value) or issubclass(value, enum.Enum)  # told by their members
            yield f"  {name}{'' if values or name in MADE_BY_US else _parameters(value)}"
            yield from (f"    .{member}" for member in _members(value))
        elif callable(value):
            yield f"  {name}{_parameters(value)}"
        else:
            yield f"  {name}"


def _exported(module: ModuleType) -> list[str]:
    """`__all__`, or where there is none, what the module itself defines."""
    declared = getattr(module, "__all__", None)
    if declared is not None:
        return sorted(declared)
    return sorted(
        name
        for name, value in vars(module).items()
        if name == "__version__"
        or (not name.startswith("_") and callable(value) and value.__module__ == module.__name__)
    )


def _members(value: type) -> list[str]:
    """What a class and those that it inherits from in our packages define for others."""
    if issubclass(value, enum.Enum):
        return [member.name for member in value]
    found: dict[str, str] = {}
    for base in reversed(value.__mro__):
        if not base.__module__.startswith("cryptable"):
            continue
        fields = inspect.get_annotations(base) if dataclasses.is_dataclass(base) else {}
        found |= {name: name for name in (*fields, *base.__dict__) if not name.startswith("_")}
        for name, member in base.__dict__.items():
            function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            if not name.startswith("_") and inspect.isfunction(function):
                found[name] = name + _parameters(function)
    # scikit-learn's metadata routing adds these, by its version.
    return [found[name] for name in sorted(found) if not name.endswith("_request")]


def _parameters(function: object) -> str:
    """Names of parameters as in a definition, without `self`, defaults and types; "" where there are none to tell."""
    if not callable(function):
        return ""
    try:
        given = list(inspect.signature(function).parameters.values())
    except ValueError:
        return ""
    bare = [each.replace(default=inspect.Parameter.empty, annotation=inspect.Parameter.empty) for each in given]
    return str(inspect.Signature([each for each in bare if each.name not in ("self", "cls")]))


def main() -> int:
    """Run the command line."""
    return write_or_check({DOCUMENT: public_names()}, check=only_check(__doc__), source="the packages' public names")


if __name__ == "__main__":
    sys.exit(main())
