"""One server's life: stores and workers up, ready, answering, draining, down."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
from cryptable_protocol import limits
from cryptable_protocol.service import SERVICE_NAME
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from cryptable_server.config import ServerConfig, join_address
from cryptable_server.errors import BindError
from cryptable_server.key_store import DirectoryKeyStore
from cryptable_server.local_executor import LocalExecutor
from cryptable_server.logs import log
from cryptable_server.model_store import ModelStore, load_models
from cryptable_server.rpc import handlers
from cryptable_server.service import InferenceService
from cryptable_server.tls import read_pair

_LOGGER = logging.getLogger(__name__)
READY = "cryptable-server ready on"
"""Begins the one line of standard output that tells a parent process the address, once calls are answered."""


def serve(config: ServerConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the calls in progress at once.

    Raises:
        StartError: the server cannot start; nothing is left running.
        KeyboardInterrupt: a signal came before calls were answered; nothing is left running.
    """
    pair = None if config.tls is None else read_pair(config.tls)
    # Until calls are answered there is nothing to drain: everything is undone at once.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keys = DirectoryKeyStore(config.keys, quota_bytes=config.key_quota_bytes)
    try:
        models = load_models(config)
        executor = LocalExecutor(config.workers, programs=[model.program for model in models.models()])
        try:
            asyncio.run(_serve(config, pair, models, keys, executor))
        finally:
            executor.close()
    finally:
        keys.close()


async def _serve(
    config: ServerConfig,
    pair: tuple[bytes, bytes] | None,
    models: ModelStore,
    keys: DirectoryKeyStore,
    executor: LocalExecutor,
) -> None:
    draining, at_once = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        (at_once if draining.is_set() else draining).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    # Uploads write and hash in threads; evaluation has threads of its own.
    loop.set_default_executor(ThreadPoolExecutor(8, thread_name_prefix="store"))

    service = InferenceService(models=models, keys=keys, executor=executor, max_rows=config.max_rows, draining=draining)
    server = grpc.aio.server(options=_options(config), maximum_concurrent_rpcs=config.max_calls)
    server.add_generic_rpc_handlers((handlers(service, idle_seconds=config.idle_seconds),))
    names = [SERVICE_NAME, *(f"{SERVICE_NAME}/{model.name}" for model in models.models())]
    checker = await _add_health(server, names)
    reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    port = _bind(server, config, pair)
    await server.start()
    address = join_address(config.host, port)
    log(_LOGGER, logging.INFO, "ready", address=address, tls=pair is not None, workers=executor.worker_pids)
    sys.stdout.write(f"{READY} {address}\n")
    sys.stdout.flush()

    await draining.wait()
    log(_LOGGER, logging.INFO, "draining", seconds=config.drain_seconds)
    await checker.enter_graceful_shutdown()
    stopping = asyncio.ensure_future(server.stop(config.drain_seconds))
    second = asyncio.ensure_future(at_once.wait())
    await asyncio.wait({stopping, second}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        await server.stop(None)
    second.cancel()
    await stopping
    log(_LOGGER, logging.INFO, "stopped")


async def _add_health(server: grpc.aio.Server, names: Sequence[str]) -> health.aio.HealthServicer:
    checker = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    for name in ("", *names):
        await checker.set(name, health_pb2.HealthCheckResponse.SERVING)
    return checker


def _options(config: ServerConfig) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_request_bytes),
        ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
        # Two servers on one port would share its calls, though not their keys.
        ("grpc.so_reuseport", 0),
    ]


def _bind(server: grpc.aio.Server, config: ServerConfig, pair: tuple[bytes, bytes] | None) -> int:
    try:
        if pair is None:
            return server.add_insecure_port(config.address)
        return server.add_secure_port(config.address, grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise BindError(
            f"--address {config.address} cannot be listened on: another process has the port, or the address is not "
            "this machine's"
        ) from error
