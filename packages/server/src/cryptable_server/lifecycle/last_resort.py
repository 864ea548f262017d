"""The last resort: a process that is to end does, though a thread of it hangs, on a file system that is gone, say."""

from __future__ import annotations

import logging
import os
import threading
import time

from cryptable_server.logs import log

_LOGGER = logging.getLogger(__name__)


def end_within(seconds: float) -> None:
    """End this process in so many seconds, if it has not ended by itself; what a kill would leave is left."""

    def end() -> None:
        time.sleep(seconds)
        hanging = [thread.name for thread in threading.enumerate() if not thread.daemon]
        log(_LOGGER, logging.ERROR, "ended without waiting for threads any longer", threads=hanging)
        os._exit(0)

    threading.Thread(target=end, name="last resort", daemon=True).start()
