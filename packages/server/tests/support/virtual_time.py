"""An event loop whose clock jumps to the next thing that is due: hours of waiting take no time, and always the same."""

import asyncio
import selectors


class _Jumping(selectors.DefaultSelector):
    """Waits for no file, since none has anything to say: instead, the time passes that would be waited."""

    def __init__(self):
        super().__init__()
        self.seconds = 1000.0

    def select(self, timeout=None):
        found = super().select(0)
        if not found:
            assert timeout is not None, "everything waits, and nothing is due: this would hang"
            self.seconds += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.seconds


def run(main):
    """What the coroutine returns; `asyncio.get_running_loop().time()` tells it the time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
