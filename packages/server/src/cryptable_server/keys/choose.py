"""Which key store a server has, by its settings."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_server.keys.booked import BookedKeyStore
from cryptable_server.keys.directory import DirectoryKeyStore
from cryptable_server.keys.objects.object_store import ObjectKeyStore
from cryptable_server.keys.store import KeysEntry
from cryptable_server.objects.places import open_place
from cryptable_server.settings.config import ServerConfig


def open_key_store(config: ServerConfig, on_drop: Callable[[KeysEntry, str], None]) -> BookedKeyStore:
    """A directory's, or an object store's; raises ConfigurationError where it cannot be used."""
    quota, of_one, seconds = config.key_quota_bytes, config.principal_key_quota_bytes, config.key_seconds
    if config.stores.keys is None:
        return DirectoryKeyStore(
            config.keys,
            quota_bytes=quota,
            principal_quota_bytes=of_one,
            time_to_live=seconds,
            on_drop=on_drop,
        )
    return ObjectKeyStore(
        open_place(config.stores.keys, config.stores.endpoint, "--key-store"),
        config.keys,
        copies_bytes=config.stores.copies_bytes,
        quota_bytes=quota,
        principal_quota_bytes=of_one,
        time_to_live=seconds,
        on_drop=on_drop,
    )
