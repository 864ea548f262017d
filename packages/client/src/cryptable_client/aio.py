"""The same for asyncio: `await cryptable_client.aio.connect(...)`.

Keys, encryption and the blocking connection run in threads, so that the event loop, in a server or a notebook, stays
free. Cancelling a call ends its stream; what was answered by then is dropped.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from cryptable_client.server import connection
from cryptable_client.server.cancellation import CURRENT, Cancellation

if TYPE_CHECKING:
    import os

    import numpy as np
    import numpy.typing as npt
    from cryptable_protocol.model.client_spec import ClientSpec

    from cryptable_client.keys.secret_keys import SecretKeys
    from cryptable_client.server.remote_model import ModelSummary, RemoteModel

Result = TypeVar("Result")


async def connect(address: str, *, model: str, **options: Any) -> AsyncRemoteModel:  # noqa: ANN401 (of `connect`)
    """As `cryptable_client.connect`, with the same options and errors; the result is for an `async with` block."""
    lock, opened, unwanted = threading.Lock(), list["RemoteModel"](), threading.Event()

    def open_one() -> RemoteModel:
        remote = connection.connect(address, model=model, **options)
        with lock:
            if not unwanted.is_set():
                opened.append(remote)
                return remote
        remote.close()
        return remote

    try:
        return AsyncRemoteModel(await asyncio.to_thread(open_one))
    except asyncio.CancelledError:
        # The thread cannot be stopped: what it makes is closed when it is there, so that no keys stay behind.
        with lock:
            unwanted.set()
        for remote in opened:
            threading.Thread(target=remote.close, name="cryptable-close").start()
        raise


async def list_models(address: str, **options: Any) -> list[ModelSummary]:  # noqa: ANN401 (of `list_models`)
    """As `cryptable_client.list_models`."""
    return await asyncio.to_thread(connection.list_models, address, **options)


async def fetch_spec(address: str, *, model: str, **options: Any) -> ClientSpec:  # noqa: ANN401 (of `fetch_spec`)
    """As `cryptable_client.fetch_spec`."""
    return await asyncio.to_thread(connection.fetch_spec, address, model=model, **options)


class AsyncRemoteModel:
    """A model on a server; made by `connect`, to be used in an `async with` block. See RemoteModel."""

    def __init__(self, remote: RemoteModel) -> None:
        self._remote = remote

    @property
    def spec(self) -> ClientSpec:
        """The model's specification, checked."""
        return self._remote.spec

    @property
    def version(self) -> str:
        """The model's version as the developer named it."""
        return self._remote.version

    @property
    def traffic(self) -> dict[str, int]:
        """See RemoteModel."""
        return self._remote.traffic

    @property
    def timings(self) -> dict[str, float]:
        """See RemoteModel."""
        return self._remote.timings

    @property
    def spot_checks_answered(self) -> int:
        """See RemoteModel."""
        return self._remote.spot_checks_answered

    @property
    def secret_keys(self) -> SecretKeys:
        """The handle on the keys in use."""
        return self._remote.secret_keys

    async def predict(self, rows: npt.ArrayLike) -> npt.NDArray[Any]:
        """See RemoteModel."""
        return await self._in_thread(self._remote.predict, rows)

    async def predict_chunks(
        self, chunks: Iterable[npt.ArrayLike], *, resume: str | os.PathLike[str] | None = None
    ) -> AsyncGenerator[npt.NDArray[Any], None]:
        """See RemoteModel, for `async for`. Chunks are asked for in threads, one after the other."""
        parts = self._remote.predict_chunks(chunks, resume=resume)
        while (found := await self._in_thread(next, parts, None)) is not None:
            yield found

    async def predict_proba(self, rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """See RemoteModel."""
        return await self._in_thread(self._remote.predict_proba, rows)

    async def decision_function(self, rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """See RemoteModel."""
        return await self._in_thread(self._remote.decision_function, rows)

    async def contributions(self, rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """See RemoteModel."""
        return await self._in_thread(self._remote.contributions, rows)

    @property
    def contribution_names(self) -> tuple[str, ...]:
        """See RemoteModel."""
        return self._remote.contribution_names

    @property
    def base_values(self) -> tuple[float, ...]:
        """See RemoteModel."""
        return self._remote.base_values

    async def close(self) -> None:
        """See RemoteModel."""
        await asyncio.to_thread(self._remote.close)

    async def __aenter__(self) -> AsyncRemoteModel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Async{repr(self._remote)[1:]}"

    async def _in_thread(self, method: Callable[..., Result], *arguments: object) -> Result:
        cancellation = Cancellation()
        token = CURRENT.set(cancellation)  # which the thread inherits
        try:
            return await asyncio.to_thread(method, *arguments)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise
        finally:
            CURRENT.reset(token)
