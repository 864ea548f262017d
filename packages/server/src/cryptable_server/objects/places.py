"""Places in object stores: what an operator calls one, and opening it."""

from __future__ import annotations

import re

from cryptable_server.errors import ConfigurationError
from cryptable_server.objects.bucket import Bucket

_PLACE = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9._/-]*))?")


def is_place(url: str) -> bool:
    """Whether it is of the form s3://BUCKET/PREFIX."""
    return _PLACE.fullmatch(url) is not None


def open_place(url: str, endpoint: str | None, option: str) -> Bucket:
    """The place of that URL, of which nothing is asked yet.

    Raises:
        ConfigurationError: what speaks to such stores is not installed; says which `option` needs it.
    """
    match = _PLACE.fullmatch(url)
    if match is None:
        raise ConfigurationError(f"{option} {url!r} is no s3://BUCKET/PREFIX")
    try:
        from cryptable_server.objects.s3 import S3Bucket
    except ImportError as error:
        raise ConfigurationError(
            f"{option} needs obstore, which is not here ({error}); install cryptable-server[s3]"
        ) from error
    return S3Bucket(match["bucket"], (match["prefix"] or "").strip("/"), endpoint)
