"""QueueBounds: how many rows may wait, in all, of one principal and of one model."""

from __future__ import annotations

from collections import Counter

from cryptable_server.errors import OverloadedError
from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.job import Job
from cryptable_server.settings.worker_config import WorkerConfig

_LEAST_RETRY_SECONDS, _MOST_RETRY_SECONDS = 0.1, 30.0


class QueueBounds:
    """Counts rows from their submission to their answer. Not safe to use from several threads by itself.

    What workers have in hand counts as well, so that every bound is one row for each worker above what may wait. Larger
    tensors than of a mebibyte count as a row for each, since these are bounds of memory too.
    """

    def __init__(self, config: WorkerConfig, times: EvaluationTimes) -> None:
        self._workers = config.count
        self._rows = config.queue_rows
        self._rows_per_principal = config.queue_rows_per_principal
        self._rows_per_model = config.queue_rows_per_model
        self._times = times
        self._total = 0
        self._of_principal: Counter[str] = Counter()
        self._of_model: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Rows that wait or are evaluated."""
        return self._total

    def enter(self, job: Job) -> None:
        """Count a row, or those that travel together; raises OverloadedError where they are too many."""
        evaluation = job.evaluation
        of_principal, of_model = self._of_principal[evaluation.principal], self._of_model[evaluation.model]
        for rows, most, whose in (
            (self._total, self._rows, "rows"),
            (of_principal, self._rows_per_principal, "rows of yours"),
            (of_model, evaluation.model_queue_rows or self._rows_per_model, f"rows for model {evaluation.model!r}"),
        ):
            # Rows that travel together, and are more than may wait at all, are taken where nothing waits.
            if most is not None and rows and rows + job.weight > most + self._workers:
                raise OverloadedError(f"{rows} {whose} are waiting for evaluation", retry_after=self._retry(job, rows))
        self._total += job.weight
        self._of_principal[evaluation.principal] += job.weight
        self._of_model[evaluation.model] += job.weight

    def leave(self, job: Job) -> None:
        """A row that was counted has been answered."""
        self._total -= job.weight
        for counter, name in (
            (self._of_principal, job.evaluation.principal),
            (self._of_model, job.evaluation.model),
        ):
            counter[name] -= job.weight
            if not counter[name]:
                del counter[name]

    def _retry(self, job: Job, rows: int) -> float:
        # When half of it is done: at the first free place, all who were refused would come at once.
        seconds = self._times.usual(job.evaluation.program) * rows / self._workers / 2
        return min(max(seconds, _LEAST_RETRY_SECONDS), _MOST_RETRY_SECONDS)
