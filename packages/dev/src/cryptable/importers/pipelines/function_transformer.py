"""Functions of one number that NumPy knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.importers.pipelines.registry import preprocessor
from cryptable.importers.pipelines.shapes import Column, weighted_sum
from cryptable.importers.pipelines.stage import Stage, Step

_TINY = float(np.finfo(np.float64).tiny)
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
    """The identity, or one of NumPy's functions by name: a function of your own could be anything."""
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
    if known is None:
        raise stage.refusal(
            f"func={getattr(step.func, '__name__', step.func)!r} is not known; only these functions of NumPy are: "
            f"{', '.join(sorted(each.__name__ for each in (*_KNOWN, *_AFFINE)))}. For another one, fit on its output, "
            "and let clients apply it before they encrypt"
        )
    return tuple(
        stage.monotone_of(index, increasing=known.increasing, lower=known.lower, upper=known.upper) for index in columns
    )
