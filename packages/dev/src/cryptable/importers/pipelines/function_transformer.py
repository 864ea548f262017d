"""Functions of one number that NumPy knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.importers.pipelines.registry import preprocessor
from cryptable.importers.pipelines.shapes import Column, weighted_sum
from cryptable.importers.pipelines.stage import Stage, Step

_TINY = float(np.finfo(np.float64).tiny)
_SAMPLE = 200
_MOST = 700.0
"""exp of more than 709 is infinite, which the next step would refuse."""


@dataclass(frozen=True)
class _Monotone:
    """Where a function is defined, and its direction there."""

    lower: float = -np.inf
    upper: float = np.inf
    increasing: bool = True


_KNOWN: dict[np.ufunc, _Monotone] = {
    np.arcsin: _Monotone(-1.0, 1.0),
    np.arccos: _Monotone(-1.0, 1.0, increasing=False),
    np.arcsinh: _Monotone(),
    np.arctan: _Monotone(),
    np.cbrt: _Monotone(),
    np.ceil: _Monotone(),
    np.exp: _Monotone(upper=_MOST),
    np.exp2: _Monotone(upper=_MOST),
    np.expm1: _Monotone(upper=_MOST),
    np.floor: _Monotone(),
    np.log: _Monotone(lower=_TINY),
    np.log10: _Monotone(lower=_TINY),
    np.log1p: _Monotone(lower=float(np.nextafter(-1.0, 0.0))),
    np.log2: _Monotone(lower=_TINY),
    np.rint: _Monotone(),
    np.sign: _Monotone(),
    np.sqrt: _Monotone(lower=0.0),
    np.tanh: _Monotone(),
    np.trunc: _Monotone(),
}
_AFFINE: dict[np.ufunc, float] = {np.negative: -1.0, np.positive: 1.0, np.deg2rad: np.pi / 180, np.rad2deg: 180 / np.pi}


@preprocessor("sklearn.preprocessing.FunctionTransformer")
def read(step: Step, stage: Stage) -> tuple[Column, ...]:
    """The identity, one of NumPy's functions by name, or a cast: another function of your own could be anything."""
    if step.func is None:
        return stage.columns
    if step.kw_args:
        raise stage.refusal(f"kw_args={step.kw_args} is not supported")
    try:
        slope, known = _AFFINE.get(step.func), _KNOWN.get(step.func)
    except TypeError:  # a callable that cannot be hashed
        slope = known = None
    columns = range(len(stage.columns))
    if slope is not None:
        return tuple(weighted_sum([(slope, stage.columns[index])], stage.step) for index in columns)
    if known is None and _only_casts(step, stage):
        return stage.columns
    if known is None:
        raise stage.refusal(
            f"func={getattr(step.func, '__name__', step.func)!r} is not known; only these functions of NumPy are: "
            f"{', '.join(sorted(each.__name__ for each in (*_KNOWN, *_AFFINE)))}. For another one, fit on its output, "
            "and let clients apply it before they encrypt"
        )
    return tuple(
        stage.monotone_of(index, increasing=known.increasing, lower=known.lower, upper=known.upper) for index in columns
    )


def _only_casts(step: Step, stage: Stage) -> bool:
    """Whether a function leaves numbers what they are but for single precision, as `np.float32` or an `astype` does."""
    given = stage.values(stage.raw.rows)
    rng = np.random.default_rng(0)
    others = given[rng.integers(0, len(given), _SAMPLE)] * rng.normal(size=(_SAMPLE, 1))
    spread = np.concatenate([given[:_SAMPLE], others])
    try:
        made = np.asarray(step.func(spread))
    except (TypeError, ValueError, AttributeError, IndexError):  # it wants something else than an array of doubles
        return False
    if made.shape != spread.shape or made.dtype.kind != "f":
        return False
    with np.errstate(over="ignore"):
        return bool(np.array_equal(made.astype(np.float32), spread.astype(np.float32), equal_nan=True))
