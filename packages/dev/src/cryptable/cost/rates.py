"""How fast a machine evaluates: rates measured by `cryptable calibrate`, and what they predict for a circuit."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from cryptable_engine.kernel import kernel_state
from cryptable_protocol import InvalidInputError
from cryptable_protocol.files.places import config_folder

COST_TABLE = "cost_table.json"
NUMPY = "numpy"
"""What evaluates where the kernel does not; other paths have the names that it gives them."""
_ANY = "base"
"""The path of a processor that no rates were measured on."""
_FORMAT = 2


@dataclass(frozen=True)
class MachineRates:
    """CPU seconds of one core. A word is one number of a ciphertext, which has one more than its key has bits.

    `engine` is the path through the kernel that lookups were measured on, or `numpy`. `per_price` is by width of the
    lookups: larger polynomials miss more caches. `linear_*` are rates of circuits without lookups. `native_call` is
    what a row takes beyond all else where lookups have several bootstrap keys, and Concrete's own program evaluates it.
    """

    engine: str
    machine: str
    per_price: dict[int, float]
    native_call: float
    call: float
    input_word: float
    cell_word: float
    gathered_word: float
    key_byte: float
    linear_call: float
    linear_input_word: float
    linear_cell_word: float
    encryption_element: float

    @property
    def levelled_pace(self) -> float:
        """Seconds of the scheme levelled, for each that its price list says: those are of NumPy, on another machine.

        By what evaluates, as it was measured beside NumPy in one process, and by how much slower or quicker lookups are
        here than on the machine of the cost table.
        """
        return self._pace("levelled")

    @property
    def squares_pace(self) -> float:
        """The same of the scheme squares, whose price list is of SEAL: the kernel's share of that."""
        return self._pace("squares")

    def _pace(self, scheme: str) -> float:
        by_path: dict[str, float] = _table()[scheme]
        lookups = _table()["lookups"].get(self.engine)
        if lookups is None:
            return by_path[_ANY]
        ratios = [rate / lookups[str(width)] for width, rate in self.per_price.items() if str(width) in lookups]
        return by_path[self.engine] * statistics.median(ratios) if ratios else by_path[self.engine]

    def to_json(self) -> str:
        """For a file."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, *, what: str) -> MachineRates:
        """What `to_json` made.

        Raises:
            InvalidInputError: anything else; names `what`.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            if content.pop("format") != _FORMAT:
                raise ValueError("another format")
            content["per_price"] = {int(width): float(rate) for width, rate in content["per_price"].items()}
            rates = cls(**content)
            numbers = [value for name, value in asdict(rates).items() if name not in ("engine", "machine", "per_price")]
            if not rates.per_price or not all(
                math.isfinite(value) and value >= 0 for value in (*numbers, *rates.per_price.values())
            ):
                raise ValueError("a rate that is not a number of seconds")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInputError(
                f"{what} is not what `cryptable calibrate` writes ({error}); run it again, or remove the file"
            ) from error
        return rates


@dataclass(frozen=True)
class Prediction:
    """CPU seconds of one core for a row: by phase on the server, and to encrypt it on the client.

    `keys_loaded` is what the first row with new keys costs more, `measured_on` the machine whose rates these are.
    """

    lookups: float
    linear: float
    ciphertexts: float
    keys_loaded: float
    encryption: float
    measured_on: str

    @property
    def row(self) -> float:
        """A row on the server, once keys are loaded."""
        return self.lookups + self.linear + self.ciphertexts


def calibration_file() -> Path:
    """Where `cryptable calibrate` stores the rates of this machine for this user."""
    return config_folder() / "machine.json"


def machine_rates() -> MachineRates:
    """Of this machine, where it has been calibrated, else of the one that the cost table was measured on.

    Lookups are those of what evaluates in this process, a path through the kernel or NumPy: as much slower, or quicker,
    as that was beside what the rates were measured with, on the machine of the cost table. Budgets in seconds and
    predictions go by them, prices do not.

    Raises:
        InvalidInputError: the calibration file is damaged.
    """
    path = calibration_file()
    try:
        return _as_evaluated(MachineRates.from_json(path.read_text("utf-8"), what=str(path)))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read ({error}); remove the file, or mend its permissions") from error
    return _as_evaluated(shipped_rates())


def _as_evaluated(rates: MachineRates) -> MachineRates:
    lookups: dict[str, dict[str, float]] = _table()["lookups"]
    path = kernel_state().path
    measured, here = lookups.get(rates.engine), lookups.get(path, lookups[_ANY])
    if path == rates.engine or measured is None:  # by a version that measured Concrete's functions
        return rates

    def factor(width: int) -> float:
        nearest = min(here, key=lambda each: abs(int(each) - width))
        return here[nearest] / measured[nearest]

    per_price = {width: rate * factor(width) for width, rate in rates.per_price.items()}
    return replace(rates, engine=path, per_price=per_price)


def shipped_rates() -> MachineRates:
    """Of the machine that the cost table was measured on, with its best path through the kernel."""
    return MachineRates.from_json(json.dumps(_table()["rates"]), what=COST_TABLE)


@cache
def _table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(resources.files("cryptable.cost").joinpath(COST_TABLE).read_text("utf-8"))
    return content
