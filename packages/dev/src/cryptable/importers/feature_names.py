"""Which column of X_train is which feature of an estimator: by name wherever there are names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from warnings import catch_warnings, filterwarnings

from cryptable_protocol import InvalidInputError

from cryptable.graphs.graph import Estimator, Rows

_SHOWN = 5


def match_columns(estimator: Estimator, data: Rows) -> tuple[Rows, tuple[str, ...] | None]:
    """The columns in the order of the estimator's features, and their names.

    Names are those of the frame, else those that the estimator was fitted with; None where neither has any. LightGBM
    writes "_" for " ": such names are the same.

    Args:
        estimator: fitted.
        data: an array, or a frame with named columns.

    Raises:
        InvalidInputError: a name stands twice, or the columns are not those that the estimator was fitted with.
    """
    learned, given = _learned(estimator), _given(data)
    if given is None:
        return data, None if learned is not None and _are_numbers(learned) else learned
    if learned is None or (_are_numbers(learned) and set(given) != set(learned)):
        return data, given  # fitted without names, or with numbers for names: as it does itself, by position
    place_of = _places(given, learned)
    missing = [name for name in learned if name not in place_of]
    unknown = [given[place] for place in sorted(set(range(len(given))) - set(place_of.values()))]
    if missing or unknown:
        lacks = f"lacks {_listed(missing)}" if missing else f"has {_listed(unknown)} too"
        also = f", and has {_listed(unknown)} instead" if missing and unknown else ""
        raise InvalidInputError(
            f"X_train {lacks}{also}; {type(estimator).__name__} was fitted with {len(learned)} columns: "
            f"{_listed(learned)}"
        )
    order = [place_of[name] for name in learned]
    return _selected(data, order), tuple(given[place] for place in order)


def in_order_of(names: Sequence[str], data: Rows) -> Rows:
    """A frame with the columns in the order of `names`; what has no such columns, as it is."""
    given = _given(data)
    if given is None or given == tuple(names) or set(given) != set(names):
        return data
    return _selected(data, [given.index(name) for name in names])


@contextmanager
def names_are_matched() -> Iterator[None]:
    """Around a call of an estimator with rows whose columns have been matched here: no warning about their names."""
    with catch_warnings():
        filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        filterwarnings("ignore", "X has feature names, but", UserWarning)
        yield


def _given(data: Rows) -> tuple[str, ...] | None:
    columns = getattr(data, "columns", None)
    if columns is None:
        return None
    names = tuple(map(str, columns))
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidInputError(f"X_train has several columns of the name {_listed(twice)}: rename them")
    return names


def _learned(estimator: Estimator) -> tuple[str, ...] | None:
    for attribute in ("feature_names_in_", "feature_names_"):  # the latter is CatBoost's
        names = getattr(estimator, attribute, None)
        if names is not None and len(names):
            known = tuple(map(str, names))
            count = range(len(known))
            # What libraries call columns of arrays: CatBoost, LightGBM, interpret.
            unnamed = ("{}", "Column_{}", "feature_{:04}")
            is_unnamed = any(known == tuple(each.format(index) for index in count) for each in unnamed[1:])
            return None if is_unnamed else known
    return None


def _are_numbers(names: tuple[str, ...]) -> bool:
    """Whether they are "0", "1", ...: of a frame without names of its own, or CatBoost's of an array."""
    return names == tuple(map(str, range(len(names))))


def _places(given: tuple[str, ...], learned: tuple[str, ...]) -> dict[str, int]:
    """Where each learned name stands."""
    exact = {name: place for place, name in enumerate(given)}
    if len({_key(name) for name in given}) < len(given):
        return {name: exact[name] for name in learned if name in exact}
    alike = {_key(name): place for place, name in enumerate(given)}
    return {name: alike[_key(name)] for name in learned if _key(name) in alike}


def _key(name: str) -> str:
    return name.replace(" ", "_")


def _selected(data: Rows, order: list[int]) -> Rows:
    if order == list(range(len(data.columns))):
        return data
    return data.iloc[:, order] if hasattr(data, "iloc") else data[[data.columns[place] for place in order]]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
