"""StoreConfig: the settings of object stores, from which servers have keys and models that they share."""

from __future__ import annotations

from dataclasses import dataclass

from cryptable_server.settings.declaration import SettingError, check_fields, setting
from cryptable_server.settings.kinds import Text
from cryptable_server.settings.worker_config import GIBIBYTES

_STORES = "what several servers share (needs cryptable-server[s3])"
_PLACE = Text("s3://BUCKET/PREFIX")


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Object stores of the S3 protocol. Credentials are found as AWS's tools find them, and are no settings."""

    keys: str | None = setting(
        "key-store",
        _PLACE,
        group=_STORES,
        help="keep clients' evaluation keys there, for all servers that are given the same; --keys has copies",
    )
    models: str | None = setting(
        "model-store",
        _PLACE,
        group=_STORES,
        help="serve the *.cryptable objects there, of which --models, a directory of the server's own, has copies",
    )
    endpoint: str | None = setting(
        "store-endpoint", Text("URL"), group=_STORES, default_text="Amazon's", help="of the object store"
    )
    copies_bytes: int = setting(
        "key-copies",
        GIBIBYTES,
        group=_STORES,
        default=4,
        help="copies of keys in key-store that this server keeps; the least recently used go first",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        for name, value in (("key-store", self.keys), ("model-store", self.models)):
            if value is not None and not value.startswith("s3://"):
                raise SettingError(f"--{name} {value!r} is no place in an object store: s3://BUCKET/PREFIX", name)
        if self.endpoint is not None and not self.endpoint.startswith(("http://", "https://")):
            raise SettingError("--store-endpoint is no URL: https://HOST:PORT, or http://", "store-endpoint")
