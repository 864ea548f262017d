"""Stub: stands for a server whose answers to rows are given."""

from __future__ import annotations

from collections.abc import Iterator

from cryptable_protocol import messages


class Stub:
    """Answers every stream of rows with the same responses."""

    def __init__(self, responses: list[messages.inference.InferResponse]) -> None:
        self._responses = responses

    def Infer(self, _requests: object, timeout: float) -> Stub:  # noqa: ARG002
        """The responses, whatever is asked."""
        return self

    def __iter__(self) -> Iterator[messages.inference.InferResponse]:
        return iter(self._responses)

    def cancel(self) -> None:
        """Nothing to end."""
