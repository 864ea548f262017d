"""`encrypt`, `decrypt` and `relay`: for devices that move files by hand. Only `relay` connects, without a key."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cryptable_client.commands.options import (
    KEYS_EPILOG,
    Parsers,
    access_of,
    access_options,
    add_command,
    clean,
    output_options,
    passphrase_options,
    protection,
    read_spec,
    say,
    trust_of,
    trust_options,
)
from cryptable_client.commands.predict import answers, read_rows

if TYPE_CHECKING:
    from cryptable_protocol.messages import tensor as tensor_pb
    from cryptable_protocol.model.client_spec import ClientSpec


def configure(commands: Parsers[argparse.ArgumentParser]) -> None:
    """Add the parsers."""
    protected = passphrase_options()
    encrypt = add_command(commands, "encrypt", "encrypt a table's rows into a file", protected, epilog=KEYS_EPILOG)
    encrypt.add_argument("--input", required=True, metavar="FILE", help="CSV or .parquet; - for CSV on stdin")
    encrypt.add_argument("--output", required=True, metavar="FILE", help="file of encrypted rows to write")
    encrypt.set_defaults(run=_encrypt)
    decrypt = add_command(commands, "decrypt", "decrypt a file of answers", protected, epilog=KEYS_EPILOG)
    decrypt.add_argument("--input", required=True, metavar="FILE", help="file of encrypted answers")
    output_options(decrypt)
    decrypt.set_defaults(run=_decrypt)
    for parser in (encrypt, decrypt):
        parser.add_argument("--spec", required=True, metavar="FILE", help="the model's specification, from `spec`")
        parser.add_argument("--keys", required=True, metavar="FILE", help="key file, from keygen or `keys export`")
    purpose = "have a file of encrypted rows evaluated, on behalf of somebody who has the keys"
    relay = add_command(commands, "relay", purpose, access_options(), trust_options())
    relay.add_argument("--model", required=True, metavar="NAME", help="the model")
    relay.add_argument("--input", required=True, metavar="FILE", help="file of encrypted rows")
    relay.add_argument("--output", required=True, metavar="FILE", help="file of encrypted answers to write")
    relay.add_argument("--evaluation-keys", metavar="FILE", help="uploaded where the server lacks them")
    relay.set_defaults(run=_relay)


def _encrypt(options: argparse.Namespace) -> None:
    from cryptable_client.files.tensors import TensorKind, write_tensors
    from cryptable_client.keys.encryption import encrypt
    from cryptable_client.keys.secret_keys import SecretKeys

    spec = _spec(options)
    rows = read_rows(options.input, spec)
    with SecretKeys.load(options.keys, **protection(options)) as secret_keys:
        tensors = (encrypt(spec, secret_keys, row) for row in rows)
        count = write_tensors(options.output, tensors, kind=TensorKind.ROWS, client_spec_digest=spec.digest)
    say(f"wrote {options.output}: {count} encrypted rows for model {clean(spec.model_name)}")


def _decrypt(options: argparse.Namespace) -> None:
    import numpy as np

    from cryptable_client.files.tables import write_table
    from cryptable_client.files.tensors import TensorFile, TensorKind
    from cryptable_client.keys.encryption import decrypt
    from cryptable_client.keys.secret_keys import SecretKeys
    from cryptable_client.schemes.scheme import read_tensor

    spec = _spec(options)
    file = TensorFile.open(options.input, kind=TensorKind.ANSWERS, client_spec_digest=spec.digest)
    with SecretKeys.load(options.keys, **protection(options), allow_expired=True) as secret_keys:
        decrypted = [decrypt(spec, secret_keys, read_tensor(spec, message)) for message in file.messages()]
    values = np.stack(decrypted) if decrypted else np.empty((0, spec.parameters.outputs), np.int64)
    header, rows = answers(options, spec, values)
    write_table(options.output, header, rows)


def _relay(options: argparse.Namespace) -> None:
    from cryptable_client.files.tensors import TensorFile, TensorKind, write_tensors
    from cryptable_client.server.relay import relay

    def check(spec: ClientSpec) -> Iterator[tensor_pb.EncryptedTensor]:
        return TensorFile.open(options.input, kind=TensorKind.ROWS, client_spec_digest=spec.digest).messages()

    access = access_of(options)
    trust, kept = trust_of(options, access), options.evaluation_keys
    with relay(access, trust, options.model, rows=check, evaluation_keys=kept) as (spec, evaluated):
        count = write_tensors(options.output, evaluated, kind=TensorKind.ANSWERS, client_spec_digest=spec.digest)
    say(f"wrote {options.output}: {count} encrypted answers of model {clean(spec.model_name)}")


def _spec(options: argparse.Namespace) -> ClientSpec:
    from cryptable_protocol.model.client_spec import ClientSpec

    from cryptable_client.schemes.scheme import check_security

    spec = ClientSpec.from_bytes(read_spec(options.spec))
    check_security(spec)
    return spec
