"""What is said where no keyset, or not the one that is asked for, is exact enough for a circuit."""

from __future__ import annotations

from cryptable_engine.errors import CompilationError


def nothing_is_exact_enough() -> CompilationError:
    """Of a circuit that there is no keyset for, ours or Concrete's."""
    return CompilationError(
        "no crypto parameters are exact enough for this circuit: its outputs or lookups have too many bits for the "
        "sums they are made of; use fewer bits for scores, narrower lookups, or p_error=2^-40, if it is smaller"
    )


def cannot_be_onto(entry: str, why: str) -> CompilationError:
    """Of a keyset that is asked for, by the name of its entry, or of none; `why` is for people."""
    return CompilationError(
        f"it cannot be compiled onto the keyset of entry {entry!r}: {why}; compile the model onto another keyset"
    )
