"""Generates packages/web's TypeScript code from protos/, as far as a browser needs them.

What protoc-gen-es makes of them, but for the descriptors: instead of serialized they are tables (wire/descriptors.ts).

python tools/generate_web_protos.py           write it
python tools/generate_web_protos.py --check   exit with 1 where what is committed differs

Takes protoc-gen-es of packages/web/node_modules, which `make setup-web` installs.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from generate_protos import replace_or_check
from generated_files import ROOT, only_check
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

WEB = ROOT / "packages/web"
TARGET = WEB / "src/generated"
METHODS = ("ListModels", "GetModel", "GetEvaluationKeys", "PutEvaluationKeys", "DeleteEvaluationKeys", "InferRow")
TYPES = (
    "cryptable.v1.ClientSpec",
    "cryptable.v1.BatchSpec",
    *(f"cryptable.v1.Inference.{method}" for method in METHODS),
)
"""With what they refer to. The rest, streams, circuits and artifacts, no browser ever sees."""
PACKAGE = ".cryptable.v1."
_IMPORT = 'import { fileOf } from "../../../wire/descriptors.js";'
_SERIALIZED = re.compile(r'fileDesc\("([^"]*)"(?:, (\[[^]]*\]))?\)')


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
    for path in into.rglob("*_pb.ts"):
        text = _SERIALIZED.sub(_tabled, path.read_text())
        path.write_text(re.sub(r"^(import \{.*)\bfileDesc, ", rf"{_IMPORT}\n\1", text, flags=re.MULTILINE))


def _tabled(serialized: re.Match[str]) -> str:
    """The call that makes a file's descriptor, as a table."""
    data, imports = serialized.groups()
    file = FileDescriptorProto.FromString(base64.b64decode(data + "=" * (-len(data) % 4)))
    assert (file.package, file.syntax) == (PACKAGE.strip("."), "proto3"), file.name
    _nothing(file.name, file.enum_type, file.extension, file.options.ListFields())
    services = [
        [
            service.name,
            [
                [method.name, _local(method.input_type), _local(method.output_type)]
                for method in service.method
                if not (method.client_streaming or method.server_streaming)
            ],
        ]
        for service in file.service
    ]
    tables = [[_message(message) for message in file.message_type], *([services] if services else [])]
    return f"fileOf({json.dumps(file.name)}, {imports or '[]'}, {', '.join(map(_literal, tables))})"


def _message(message: DescriptorProto) -> list[object]:
    """Name, fields, oneofs, nested messages and enums; empty ones at the end are left out."""
    _nothing(message.name, message.extension, message.options.ListFields())
    optional = {field.oneof_index for field in message.field if field.proto3_optional}
    assert all(index >= len(message.oneof_decl) - len(optional) for index in optional), "they stand behind the others"
    parts: list[object] = [
        message.name,
        [_field(field) for field in message.field],
        [oneof.name for index, oneof in enumerate(message.oneof_decl) if index not in optional],
        [_message(nested) for nested in message.nested_type],
        [[enum.name, {value.name: value.number for value in enum.value}] for enum in message.enum_type],
    ]
    while not parts[-1] and len(parts) > 2:
        parts.pop()
    return parts


def _field(field: FieldDescriptorProto) -> list[object]:
    _nothing(field.name, field.default_value, field.options.ListFields())
    types = {field.TYPE_MESSAGE: _local(field.type_name), field.TYPE_ENUM: f".{_local(field.type_name)}"}
    row = [field.name, field.number, types.get(field.type, field.type)]
    if field.label == field.LABEL_REPEATED:
        return [*row, "*"]
    if field.proto3_optional:
        return [*row, "?"]
    return [*row, field.oneof_index] if field.HasField("oneof_index") else row


def _nothing(name: str, *parts: object) -> None:
    """Refuse what a table cannot say."""
    assert not any(parts), f"{name}: its descriptor has more than a table says"


def _local(name: str) -> str:
    return name.removeprefix(PACKAGE)


def _literal(table: object, indent: str = "") -> str:
    """JSON, with a line for each list that holds others."""
    if isinstance(table, list) and any(isinstance(part, list | dict) for part in table):
        inner = indent + "  "
        return "[\n" + "".join(f"{inner}{_literal(part, inner)},\n" for part in table) + indent + "]"
    return json.dumps(table)


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
