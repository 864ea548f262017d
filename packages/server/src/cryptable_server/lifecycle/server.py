"""One server's life: stores and workers up, ready, answering, draining, down."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from cryptable_protocol import limits
from cryptable_protocol.service import ADMIN_SERVICE_NAME, SERVICE_NAME
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_reflection.v1alpha import reflection

from cryptable_server.calls.audit import AuditLog
from cryptable_server.calls.call_counter import CallCounter
from cryptable_server.calls.drain import Drain
from cryptable_server.calls.grpc_entry import Entrance, handlers
from cryptable_server.calls.health import HealthChecks
from cryptable_server.calls.measures.metrics import Metrics
from cryptable_server.calls.strangers import StrangerInterceptor
from cryptable_server.calls.tls.certificates import Certificates
from cryptable_server.calls.tls.credentials import tls_files
from cryptable_server.calls.tokens import TokenFile
from cryptable_server.errors import BindError, ConfigurationError
from cryptable_server.executors.choose import new_executor
from cryptable_server.executors.executor import keys_name
from cryptable_server.executors.pool import WorkerPool
from cryptable_server.files.open_files import raise_limit
from cryptable_server.keys.booked import BookedKeyStore
from cryptable_server.keys.choose import open_key_store
from cryptable_server.keys.store import KeysEntry
from cryptable_server.lifecycle.gauges import add_expiries, add_gauges
from cryptable_server.lifecycle.last_resort import end_within
from cryptable_server.lifecycle.systemd import sd_notify
from cryptable_server.logs import log
from cryptable_server.models.directory import DirectoryModelStore
from cryptable_server.models.mirror import ModelMirror
from cryptable_server.objects.places import open_place
from cryptable_server.principals import Authenticator, FirstOf, TokenReader
from cryptable_server.processes.entry_points import ENTRY_POINTS, EntryPoints
from cryptable_server.services.admin import AUDITED as ADMIN_AUDITED
from cryptable_server.services.admin import AdminService
from cryptable_server.services.inference import AUDITED, InferenceService
from cryptable_server.services.spool import Spool
from cryptable_server.services.upkeep import Upkeep
from cryptable_server.settings.addresses import is_loopback, join_address
from cryptable_server.settings.config import ServerConfig

if TYPE_CHECKING:
    from cryptable_server.calls.measures.traces import Traces

_LOGGER = logging.getLogger(__name__)
_OPEN = "they ask nobody who they are, and name models and their load: let a firewall pass the scraper alone"
_SERVICES = (SERVICE_NAME, ADMIN_SERVICE_NAME)
_SPARE_CALLS = 64
"""For health checks, reflection, administrators and refusals, while as many calls as may be are in progress."""
_WATCHERS_SHARE = 8
"""Of the calls in progress at most one in so many watches health, which strangers may."""
_FLUSH_SECONDS = 1.0
"""For answers that gRPC has taken, but not yet sent, when the last call ends."""
_CLOSE_SECONDS = {False: 30.0, True: 5.0}
"""For all that is closed after the last call; less when a second signal says that there is no time."""
_CONNECTION_SECONDS = 600.0
"""After which a connection takes no new calls."""
_KEEPALIVE_SECONDS = 60.0
_KEEPALIVE_ANSWER_SECONDS = 20.0
_LEAST_PING_SECONDS = 5.0
_MOST_MILLISECONDS = (1 << 31) - 1
"""That gRPC's options take: 24 days."""
READY = "cryptable-server ready on"
"""Begins the one line of standard output that tells a parent process the address, once calls are answered."""


def serve(config: ServerConfig, *, entry_points: EntryPoints = ENTRY_POINTS) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the calls in progress at once.

    SIGHUP, and a change of the directory, read the models again.

    Args:
        config: all settings.
        entry_points: of the child processes.

    Raises:
        StartError: the server cannot start; nothing is left running.
        KeyboardInterrupt: a signal came before calls were answered; nothing is left running.
    """
    raise_limit()
    files = tls_files(config)
    certificates = None if files is None else Certificates(files, config.client_ca)
    authenticator = Authenticator(
        tokens=_token_reader(config), certificates=config.client_ca is not None, admins=config.admins
    )
    # Until calls are answered there is nothing to drain: everything is undone at once. What is read anyway, is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ExitStack() as parts:
        metrics = Metrics()
        audit = AuditLog(config.audit_log, count=metrics.audited)
        parts.callback(audit.close)

        def dropped(entry: KeysEntry, reason: str) -> None:
            metrics.dropped(reason)
            facts = {"of": entry.principal, "keys": entry.keys.sha256.hex()[:16], "reason": reason}
            audit.record(who="server", what="DropEvaluationKeys", outcome="OK", **facts)

        keys = open_key_store(config, dropped)
        parts.callback(keys.close)
        mirror = _mirror(config)
        models = DirectoryModelStore(config, entry_points)
        parts.callback(models.close)
        spool = Spool(config.programs / "rows", config.workers.bulk_disk_bytes) if config.bulk else None
        if spool is not None:
            parts.callback(spool.close)
        executor = new_executor(config, models.programs(), entry_points)
        parts.callback(executor.close)
        keys.on_removal = lambda removed: executor.forget(keys_name(removed.owner, removed.sha256))
        calls = CallCounter(most=config.max_calls, most_each=config.max_calls_per_principal)
        add_gauges(metrics, config=config, calls=calls, executor=executor, keys=keys, models=models)
        if certificates is not None:
            add_expiries(metrics, certificates)
            certificates.remind()
            parts.enter_context(certificates.watched())
        if config.traces is not None:
            metrics.on_row = parts.enter_context(_tracing(config.traces)).row
        if config.metrics is not None:
            address = parts.enter_context(metrics.serving(*config.metrics))
            log(_LOGGER, logging.INFO, "metrics", address=address)
            if not is_loopback(config.metrics[0]):
                log(_LOGGER, logging.WARNING, "metrics for whoever reaches the address", address=address, advice=_OPEN)
        entrance = Entrance(
            authenticator,
            metrics,
            audit,
            calls,
            Drain(),
            config.idle_seconds,
            config.max_stream_seconds,
        )
        asyncio.run(_Life(config, certificates, mirror, models, keys, executor, entrance, spool).run())


def _mirror(config: ServerConfig) -> ModelMirror | None:
    """What copies models from an object store; None where they are in a directory anyway."""
    if config.stores.models is None:
        return None
    return ModelMirror(open_place(config.stores.models, config.stores.endpoint, "--model-store"), config.models)


def _tracing(endpoint: str) -> AbstractContextManager[Traces]:
    try:
        from cryptable_server.calls.measures.traces import tracing
    except ImportError as error:
        raise ConfigurationError(
            f"--traces needs OpenTelemetry, which is not here ({error}); install cryptable-server[otel]"
        ) from error
    return tracing(endpoint)


def _token_reader(config: ServerConfig) -> TokenReader | None:
    """What tells whose tokens are; None where none are asked for."""
    readers: list[TokenReader] = [] if config.tokens is None else [TokenFile(config.tokens)]
    if config.jwt_keys is not None:
        try:
            from cryptable_server.calls.signed_tokens import SignedTokens
        except ImportError as error:
            raise ConfigurationError(
                f"--jwt-keys needs PyJWT, which is not here ({error}); install cryptable-server[web]"
            ) from error
        readers.append(
            SignedTokens(config.jwt_keys, issuer=config.jwt_issuer or "", audience=config.jwt_audience or "")
        )
    return FirstOf(*readers) if readers else None


@dataclass
class _Life:
    """From the first answer to the last."""

    config: ServerConfig
    certificates: Certificates | None
    mirror: ModelMirror | None
    models: DirectoryModelStore
    keys: BookedKeyStore
    executor: WorkerPool
    entrance: Entrance
    spool: Spool | None

    async def run(self) -> None:
        """Answer calls until a signal comes."""
        config = self.config
        draining, at_once = self.entrance.drain.begun, asyncio.Event()

        def stop() -> None:
            (at_once if draining.is_set() else draining).set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        # Uploads write and hash in threads; evaluation has threads of its own.
        loop.set_default_executor(ThreadPoolExecutor(8, thread_name_prefix="store"))

        health = HealthChecks(most_watchers=max(1, min(config.max_calls, _SPARE_CALLS) // _WATCHERS_SHARE))
        upkeep = Upkeep(self.models, self.keys, self.executor, health, config.watch_seconds, self.mirror)
        loop.add_signal_handler(signal.SIGHUP, upkeep.asked.set)
        inference = InferenceService(
            models=self.models,
            keys=self.keys,
            executor=self.executor,
            metrics=self.entrance.metrics,
            max_rows=config.max_rows,
            draining=draining,
            spool=self.spool,
        )
        admin = AdminService(config, self.models, self.keys, self.executor, self.entrance, upkeep)
        services = [*_SERVICES]
        by_standard: grpc.GenericRpcHandler | None = None
        if config.open_inference:
            from cryptable_server.services.open_inference import SERVICE_NAME as STANDARD_NAME
            from cryptable_server.services.open_inference import OpenInferenceService

            services.append(STANDARD_NAME)
            standard = OpenInferenceService(self.models, inference, draining)
            by_standard = handlers(STANDARD_NAME, standard, self.entrance, audited=())
        strangers = StrangerInterceptor(
            self.entrance, services=services, reflection_for_all=config.reflection == "everyone"
        )
        server = grpc.aio.server(
            interceptors=[strangers], options=_options(config), maximum_concurrent_rpcs=config.max_calls + _SPARE_CALLS
        )
        server.add_generic_rpc_handlers(
            (
                handlers(SERVICE_NAME, inference, self.entrance, audited=AUDITED),
                handlers(ADMIN_SERVICE_NAME, admin, self.entrance, audited=ADMIN_AUDITED, while_draining=True),
            )
        )
        if by_standard is not None:
            server.add_generic_rpc_handlers((by_standard,))
        health.add_to(server)
        await upkeep.show_health()
        if config.reflection != "off":
            reflection.enable_server_reflection((*services, HEALTH_NAME, reflection.SERVICE_NAME), server)
        credentials = None if self.certificates is None else self.certificates.credentials()
        port = _bind(server, config, credentials)
        stopped = asyncio.Event()
        web = self._web(inference, stopped)
        await server.start()
        address = join_address(config.host, port)
        facts = {"tls": credentials is not None, "workers": self.executor.worker_pids}
        log(_LOGGER, logging.INFO, "ready", address=address, open=self.entrance.authenticator.open, **facts)
        sys.stdout.write(f"{READY} {address}\n")
        sys.stdout.flush()
        sd_notify("READY=1")
        keeping = asyncio.ensure_future(upkeep.run())

        await draining.wait()
        sd_notify("STOPPING=1")
        log(_LOGGER, logging.INFO, "draining", seconds=config.drain_seconds)
        keeping.cancel()
        self.models.stop()
        await health.enter_graceful_shutdown()
        last_call = asyncio.ensure_future(self.entrance.drain.ended())
        second = asyncio.ensure_future(at_once.wait())
        ends = {last_call, second}
        await asyncio.wait(ends, timeout=config.drain_seconds, return_when=asyncio.FIRST_COMPLETED)
        end_within(_CLOSE_SECONDS[at_once.is_set()])
        stopped.set()
        await server.stop(_FLUSH_SECONDS if last_call.done() else None)
        if web is not None:
            await web
        for end in ends:
            end.cancel()
        log(_LOGGER, logging.INFO, "stopped")

    def _web(self, inference: InferenceService, stopped: asyncio.Event) -> asyncio.Future[None] | None:
        """Calls over HTTP, answered from now on until `stopped`; None where there are none."""
        config = self.config
        if config.web_listen is None:
            return None
        try:
            from cryptable_server.calls.web.application import WebCalls
            from cryptable_server.calls.web.listener import WebListener
        except ImportError as error:
            raise ConfigurationError(
                f"--web-address needs an HTTP server, which is not here ({error}); install cryptable-server[web]"
            ) from error
        listener = WebListener(config, config.web_listen, self.certificates)
        calls = WebCalls(
            SERVICE_NAME,
            inference,
            self.entrance,
            audited=AUDITED,
            origins=config.web_origins,
            most_bytes=config.max_request_bytes,
        )
        return asyncio.ensure_future(listener.serve(calls, stopped))


def _options(config: ServerConfig) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_request_bytes),
        ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
        # Two servers on one port would share its calls, though not their keys.
        ("grpc.so_reuseport", 0),
        # A connection that says nothing holds a descriptor of a limited number, as one that calls does.
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        ("grpc.server_handshake_timeout_ms", _milliseconds(config.handshake_seconds)),
        # A caller that is gone without a word is noticed; and callers may look so often whether the server is.
        ("grpc.keepalive_time_ms", _milliseconds(_KEEPALIVE_SECONDS)),
        ("grpc.keepalive_timeout_ms", _milliseconds(_KEEPALIVE_ANSWER_SECONDS)),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(_LEAST_PING_SECONDS)),
        # Ends connections without calls, and bounds what has no limit of its own, reflection and watched health.
        # Clients connect again by themselves; gRPC's own limit for idle connections has them write to standard error.
        ("grpc.max_connection_age_ms", _milliseconds(min(_CONNECTION_SECONDS, config.max_stream_seconds))),
        ("grpc.max_connection_age_grace_ms", _milliseconds(config.max_stream_seconds + config.idle_seconds)),
    ]


def _milliseconds(seconds: float) -> int:
    return min(_MOST_MILLISECONDS, round(1000 * seconds))


def _bind(server: grpc.aio.Server, config: ServerConfig, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(config.address)
        return server.add_secure_port(config.address, credentials)
    except RuntimeError as error:
        raise BindError(
            f"--address {config.address} cannot be listened on: another process has the port, or the address is not "
            "this machine's"
        ) from error
