"""Row queues and rows for tests, without any worker."""

from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.executor import Evaluation, KeysReference
from cryptable_server.executors.job import Job, Share
from cryptable_server.executors.row_queue import RowQueue
from cryptable_server.settings.worker_config import WorkerConfig
from waiting import Clock

SIZE = 10
CLOCK = Clock()
"""Of all queues of tests, since jobs know the time as well."""


class Queue(RowQueue):
    """One whose rows are taken whole: as themselves, where it says how much of a row is taken."""

    def ask(self, worker):
        work = super().ask(worker)
        return work.job if isinstance(work, Share) and work.part is None else work


def queue_of(workers=1, *, times=None, budget=100, **bounds):
    config = WorkerConfig(count=workers, threads=1, key_memory_bytes=budget, **bounds)
    return Queue(config, times or EvaluationTimes(), CLOCK)


def job(principal="a", keys=None, *, size=SIZE, call="", **fields):
    reference = None if keys is None else KeysReference(keys.encode().ljust(32), principal, "", size)
    return Job(Evaluation("program", b"", reference, principal, call=call, **fields), CLOCK)


def put(queue, *jobs):
    for each in jobs:
        queue.put(each)
    return jobs


def rest(queue, worker=0):
    """All that waits, in the order in which it is taken."""
    queue.close()
    return list(iter(lambda: queue.take(worker), None))
