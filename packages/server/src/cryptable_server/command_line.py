"""The command line of cryptable-server: options to ServerConfig, errors to exit statuses."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptable_protocol import CryptableError

from cryptable_server import __version__
from cryptable_server import token_commands as tokens
from cryptable_server.config import (
    DAY,
    GIB,
    ServerConfig,
    TlsFiles,
    WorkerConfig,
    default_data_directory,
    split_address,
)
from cryptable_server.errors import ConfigurationError, StartError
from cryptable_server.logs import configure
from cryptable_server.server import serve
from cryptable_server.tls import development_files

_DESCRIPTION = """\
Evaluate machine-learning models on encrypted data, over gRPC.

The server sees ciphertexts and evaluation keys: never a secret key, an input or a prediction."""

_EXAMPLES = """\
examples:
  try it on this machine, with a certificate made for the purpose:
    cryptable-server serve --models models/ --development-certificate tls/
  on a network:
    cryptable-server serve --models models/ --address 0.0.0.0:50051 \\
        --tls-certificate chain.pem --tls-key key.pem
  for callers that show a token:
    cryptable-server tokens new --file tokens.json alice
    cryptable-server serve --models models/ --tokens tokens.json ...
  on this machine only, without TLS:
    cryptable-server serve --models models/ --insecure

Once calls are answered, one line goes to standard output: "cryptable-server ready on HOST:PORT". Logs go to standard
error, one JSON object a line. SIGHUP reads the models again. SIGTERM or Ctrl-C drains: health checks fail, calls in
progress may end, new ones are refused; a second signal ends them at once.

exit status:
  0  stopped by a signal, after draining
  1  an error of the server itself; please report it
  2  options that cannot be used
  3  no model can be served, or two artifacts have one name
  4  the address cannot be listened on, or the evaluation workers do not come up"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    configure(options.log_level)
    try:
        options.run(options)
    except KeyboardInterrupt:
        return 0
    except StartError as error:
        sys.stderr.write(f"cryptable-server: {error}\n")
        return error.exit_status
    except CryptableError as error:
        sys.stderr.write(f"cryptable-server: {error}\n")
        return 1
    except Exception:  # the log has the traceback
        logging.getLogger(__name__).exception("unexpected error")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("cryptable-server", description=_DESCRIPTION, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"cryptable-server {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser(
        "serve", help="serve a directory of models", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=raw
    )
    command.set_defaults(run=lambda given: serve(_config(given)))
    tokens.add_commands(commands)
    data = default_data_directory()
    cores = os.cpu_count() or 1

    what = command.add_argument_group("what is served")
    what.add_argument("--models", type=Path, required=True, metavar="DIR", help="directory of *.cryptable artifacts")
    what.add_argument(
        "--keys", type=Path, metavar="DIR", help=f"where clients' evaluation keys are kept (default: {data / 'keys'})"
    )
    what.add_argument(
        "--programs",
        type=Path,
        metavar="DIR",
        help="where compiled models are kept, native code that nobody else may write to (default: a directory "
        "'programs' beside --keys)",
    )

    where = command.add_argument_group("where, and how callers connect (one of the TLS options is needed)")
    where.add_argument(
        "--address", default="127.0.0.1:50051", metavar="HOST:PORT", help="default: %(default)s; port 0: any free one"
    )
    where.add_argument("--tls-certificate", type=Path, metavar="FILE", help="certificate chain, PEM")
    where.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM, not encrypted")
    where.add_argument(
        "--development-certificate",
        type=Path,
        metavar="DIR",
        help="use a self-signed certificate for localhost from DIR, made there if there is none",
    )
    where.add_argument("--insecure", action="store_true", help="no TLS; loopback addresses only")

    who = command.add_argument_group("who may call (default: everyone who can connect)")
    who.add_argument(
        "--tokens", type=Path, metavar="FILE", help="callers show a bearer token that cryptable-server tokens made"
    )
    who.add_argument(
        "--client-ca",
        type=Path,
        metavar="FILE",
        help="callers show a TLS certificate that one of these (PEM) has signed; its common name is theirs",
    )

    how = command.add_argument_group("how much it may take")
    how.add_argument("--workers", type=int, default=1, metavar="N", help="evaluation processes (default: %(default)s)")
    how.add_argument(
        "--threads-per-worker", type=int, metavar="N", help=f"default: the {cores} cores divided by --workers"
    )
    how.add_argument(
        "--key-memory", type=float, default=4, metavar="GIB", help="loaded keys of one worker (default: %(default)s)"
    )
    how.add_argument(
        "--worker-memory",
        type=float,
        default=16,
        metavar="GIB",
        help="all of one worker; 0: no limit (default: %(default)s)",
    )
    how.add_argument(
        "--key-quota", type=float, default=64, metavar="GIB", help="all stored keys; 0: no limit (default: %(default)s)"
    )
    how.add_argument(
        "--key-quota-per-principal",
        type=float,
        metavar="GIB",
        help="one caller's stored keys; 0: no limit but --key-quota (default: a quarter of it with --tokens or "
        "--client-ca)",
    )
    how.add_argument(
        "--key-days",
        type=float,
        default=90,
        metavar="DAYS",
        help="keys unused for so long are removed; 0: never (default: %(default)s)",
    )
    how.add_argument(
        "--evaluation-timeout", type=float, default=300, metavar="SECONDS", help="of one row (default: %(default)s)"
    )
    how.add_argument(
        "--idle-timeout", type=float, default=120, metavar="SECONDS", help="of a silent stream (default: %(default)s)"
    )
    how.add_argument("--drain", type=float, default=30, metavar="SECONDS", help="after SIGTERM (default: %(default)s)")
    how.add_argument("--queue", type=int, default=256, metavar="ROWS", help="rows that wait (default: %(default)s)")
    how.add_argument(
        "--queue-per-principal",
        type=int,
        metavar="ROWS",
        help="of one caller (default: half of --queue with --tokens or --client-ca, else all of it)",
    )
    how.add_argument("--max-rows", type=int, default=100_000, metavar="N", help="of one stream (default: %(default)s)")
    how.add_argument("--max-calls", type=int, default=256, metavar="N", help="at once (default: %(default)s)")
    how.add_argument(
        "--watch",
        type=float,
        default=5,
        metavar="SECONDS",
        help="between looks for changes in --models; 0: on SIGHUP only (default: %(default)s)",
    )
    how.add_argument("--metrics", metavar="HOST:PORT", help="answer Prometheus there, over HTTP; loopback only")
    how.add_argument(
        "--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"], help="default: %(default)s"
    )
    return parser


def _config(options: argparse.Namespace) -> ServerConfig:
    host, port = split_address(options.address)
    keys = options.keys or default_data_directory() / "keys"
    known = options.tokens is not None or options.client_ca is not None
    per_principal = options.key_quota_per_principal
    if per_principal is None:
        per_principal = options.key_quota / 4 if known else 0
    queue_share = options.queue_per_principal
    if queue_share is None and known:
        queue_share = max(1, options.queue // 2)
    threads = options.threads_per_worker or max(1, (os.cpu_count() or 1) // max(1, options.workers))
    return ServerConfig(
        models=options.models,
        keys=keys,
        programs=options.programs or keys.parent / "programs",
        host=host,
        port=port,
        tls=_tls(options),
        workers=WorkerConfig(
            count=options.workers,
            threads=threads,
            key_memory_bytes=round(options.key_memory * GIB),
            memory_bytes=round(options.worker_memory * GIB) or None,
            evaluation_seconds=options.evaluation_timeout,
            queue_rows=options.queue,
            queue_rows_per_principal=queue_share,
        ),
        key_quota_bytes=round(options.key_quota * GIB) or None,
        principal_key_quota_bytes=round(per_principal * GIB) or None,
        key_seconds=options.key_days * DAY or None,
        tokens=options.tokens,
        client_ca=options.client_ca,
        metrics=None if options.metrics is None else split_address(options.metrics, option="--metrics"),
        watch_seconds=options.watch,
        max_rows=options.max_rows,
        max_calls=options.max_calls,
        idle_seconds=options.idle_timeout,
        drain_seconds=options.drain,
    )


def _tls(options: argparse.Namespace) -> TlsFiles | None:
    certificate, key, directory = options.tls_certificate, options.tls_key, options.development_certificate
    chosen = [bool(certificate or key), directory is not None, options.insecure]
    if sum(chosen) != 1:
        raise ConfigurationError(
            ("no certificate was given; choose" if not any(chosen) else "more than one kind of connection; choose one")
            + " of:\n"
            "  --tls-certificate FILE --tls-key FILE  a certificate that clients trust\n"
            "  --development-certificate DIR          a self-signed one for localhost, made in DIR\n"
            "  --insecure                             no TLS, loopback addresses only"
        )
    if options.insecure:
        return None
    if directory is None:
        if certificate is None or key is None:
            raise ConfigurationError("--tls-certificate and --tls-key go together")
        return TlsFiles(certificate=certificate, private_key=key)
    files = development_files(directory)
    sys.stderr.write(
        f"cryptable-server: clients on this machine must be told to trust {files.certificate}\n"
        f'  as in: connect("{options.address}", model=…, root_certificates="{files.certificate}")\n'
    )
    return files
