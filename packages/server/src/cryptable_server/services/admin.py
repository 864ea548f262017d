"""AdminService: the methods of protos/cryptable/v1/admin.proto, on the parts of a running server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from cryptable_protocol import limits as protocol_limits
from cryptable_protocol.evaluation_keys import check_digest
from cryptable_protocol.messages import admin as pb

from cryptable_server import __version__
from cryptable_server.calls.grpc_entry import Call, Entrance
from cryptable_server.errors import ModelNotLoadableError, ModelsError
from cryptable_server.executors.pool import WorkerPool
from cryptable_server.keys.store import KeyStore
from cryptable_server.models.directory import DirectoryModelStore
from cryptable_server.models.entry import ModelEntry, State
from cryptable_server.principals import Role
from cryptable_server.services.upkeep import Upkeep
from cryptable_server.settings.config import ServerConfig

AUDITED = frozenset(method.name for method in pb.DESCRIPTOR.services_by_name["Admin"].methods)
"""Methods whose calls the audit log tells of: all."""
_MAX_SHOWN = protocol_limits.MAX_NAME_LENGTH
_STATES = {
    State.SERVED: pb.MODEL_STATE_SERVED,
    State.UNLOADED: pb.MODEL_STATE_UNLOADED,
    State.WITHDRAWN: pb.MODEL_STATE_WITHDRAWN,
    State.REFUSED: pb.MODEL_STATE_REFUSED,
}


@dataclass
class AdminService:
    """What operators see and do; each call takes the role "admin"."""

    config: ServerConfig
    models: DirectoryModelStore
    keys: KeyStore
    executor: WorkerPool
    entrance: Entrance
    upkeep: Upkeep
    began: float = field(default_factory=time.monotonic)

    async def GetStatus(self, _: pb.GetStatusRequest, call: Call) -> pb.GetStatusResponse:
        """One picture of everything."""
        call.principal.require(Role.ADMIN)
        states = [entry.state for entry in self.models.entries()]
        counted = self.entrance.metrics.counted()
        return pb.GetStatusResponse(
            server_version=__version__,
            uptime_seconds=time.monotonic() - self.began,
            draining=self.entrance.drain.begun.is_set(),
            calls_in_progress=self.entrance.calls.total,
            queue_rows=self.executor.waiting,
            queue_limit=self.config.workers.queue_rows,
            workers_up=len(self.executor.worker_pids),
            workers=self.config.workers.count,
            worker_deaths=self.executor.deaths,
            rows_evaluated=counted.rows,
            key_cache_hits=counted.key_cache_hits,
            key_cache_misses=counted.key_cache_misses,
            stored_keys=self.keys.count,
            stored_keys_bytes=self.keys.used_bytes,
            stored_keys_limit_bytes=self.config.key_quota_bytes or 0,
            models_served=states.count(State.SERVED),
            models_unloaded=states.count(State.UNLOADED) + states.count(State.WITHDRAWN),
            models_refused=states.count(State.REFUSED),
        )

    async def ListModelVersions(self, _: pb.ListModelVersionsRequest, call: Call) -> pb.ListModelVersionsResponse:
        """All versions in the directory."""
        call.principal.require(Role.ADMIN)
        return pb.ListModelVersionsResponse(models=self._versions())

    async def LoadModel(self, request: pb.LoadModelRequest, call: Call) -> pb.LoadModelResponse:
        """Serve a version again."""
        self._begin(call, request.name, request.version)
        await asyncio.to_thread(self.models.load, request.name, request.version)
        await self.upkeep.apply()
        return pb.LoadModelResponse()

    async def UnloadModel(self, request: pb.UnloadModelRequest, call: Call) -> pb.UnloadModelResponse:
        """Serve a version no more."""
        self._begin(call, request.name, request.version)
        await asyncio.to_thread(self.models.unload, request.name, request.version)
        await self.upkeep.apply()
        return pb.UnloadModelResponse()

    async def ReloadModels(self, _: pb.ReloadModelsRequest, call: Call) -> pb.ReloadModelsResponse:
        """Read the directory again."""
        call.principal.require(Role.ADMIN)
        try:
            await self.upkeep.reload()
        except ModelsError as error:
            raise ModelNotLoadableError(f"{error}; what was served goes on being served") from error
        return pb.ReloadModelsResponse(models=self._versions())

    async def ListStoredKeys(self, request: pb.ListStoredKeysRequest, call: Call) -> pb.ListStoredKeysResponse:
        """Evaluation keys of all, or of one principal."""
        call.principal.require(Role.ADMIN)
        entries = await asyncio.to_thread(self.keys.entries)
        return pb.ListStoredKeysResponse(
            keys=[
                pb.StoredKeys(
                    principal=entry.principal,
                    sha256=entry.keys.sha256,
                    keyset_name=entry.keys.keyset_name,
                    size=entry.keys.size,
                    unused_seconds=entry.unused_seconds,
                    in_use=entry.in_use,
                )
                for entry in entries
                if request.principal in ("", entry.principal)
            ]
        )

    async def DeleteStoredKeys(self, request: pb.DeleteStoredKeysRequest, call: Call) -> pb.DeleteStoredKeysResponse:
        """Remove evaluation keys of one principal."""
        call.principal.require(Role.ADMIN)
        call.facts["of"] = request.principal[:_MAX_SHOWN]
        sha256 = check_digest(request.sha256, "digest of evaluation keys") if request.sha256 else None
        if sha256 is not None:
            call.facts["keys"] = sha256.hex()[:16]
        deleted = await asyncio.to_thread(self.keys.delete_of, request.principal, sha256)
        call.facts["deleted"] = deleted
        return pb.DeleteStoredKeysResponse(deleted=deleted)

    def _begin(self, call: Call, name: str, version: str) -> None:
        call.principal.require(Role.ADMIN)
        call.facts.update(model=name[:_MAX_SHOWN], version=version[:_MAX_SHOWN])

    def _versions(self) -> list[pb.ModelVersion]:
        return [_message(entry) for entry in self.models.entries()]


def _message(entry: ModelEntry) -> pb.ModelVersion:
    model, limits = entry.model, entry.limits
    return pb.ModelVersion(
        name=entry.name,
        version=entry.version,
        state=_STATES[entry.state],
        file=entry.file,
        reason=entry.reason,
        aliases=entry.aliases,
        artifact_digest=b"" if model is None else model.artifact_digest,
        client_spec_digest=b"" if model is None else model.spec.digest,
        keyset_name=b"" if model is None else model.spec.parameters.keyset.name,
        max_rows=limits.max_rows or 0,
        max_streams=limits.max_streams or 0,
        queue_rows=limits.queue_rows or 0,
        streams=entry.streams,
    )
