"""Products of a bit with a linear form, each computed once: what trees and polynomials are taken apart into.

A form is a sum of bits with weights, a constant, and earlier products. Its weights are integers by key: for output o,
that of the constant is o, and that of bit b is (b + 1) * outputs + o. Products come with a factor, which is 1 or -1
wherever one is read: a multiple of a product is a product of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Form:
    """Weights by key, and factors of products by number; none of them 0."""

    weights: dict[int, int] = field(default_factory=dict)
    products: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Form:
        """One that can be added to."""
        return Form(dict(self.weights), dict(self.products))

    def add(self, other: Form, factor: int = 1) -> None:
        """Add a multiple of another form, in place."""
        _add(self.weights, other.weights, factor)
        _add(self.products, other.products, factor)


class Products:
    """All products that plans of one model may share.

    Forms that are equal but for sign and constant are one product under each bit, and what differs is added to it: two
    products of equal masks would have one and the same noise, which adds up faster than noise that is independent.

    Args:
        feature_of: feature of each bit; bits of one feature are a thermometer.
        outputs: scores.
    """

    def __init__(self, feature_of: Sequence[int], outputs: int) -> None:
        self._feature_of, self.outputs = feature_of, outputs
        self.selectors: list[int] = []
        """The bit of each product."""
        self.forms: list[Form] = []
        """What it is multiplied by."""
        self._known: dict[tuple[object, ...], int] = {}

    def times(self, bit: int, form: Form) -> Form:
        """What bit * form is, by what is known of bits of one thermometer: a higher one is on only with a lower one."""
        feature, outputs = self._feature_of, self.outputs
        same = feature[bit]
        inside, outside = Form(), Form()
        left = [(form, 1)]
        while left:
            each, factor = left.pop()
            for key, weight in each.weights.items():
                of = key // outputs - 1
                if of < 0 or feature[of] != same:
                    _add_one(inside.weights, key, factor * weight)
                elif of <= bit:
                    _add_one(inside.weights, key % outputs, factor * weight)
                else:
                    _add_one(outside.weights, key, factor * weight)
            for number, times in each.products.items():
                selector = self.selectors[number]
                if feature[selector] != same:
                    _add_one(inside.products, number, factor * times)
                elif selector <= bit:
                    left.append((self.forms[number], factor * times))
                else:
                    _add_one(outside.products, number, factor * times)
        outside.add(self._product(bit, inside))
        return outside

    def normal(self, form: Form) -> Form:
        """The same form, every factor of which is 1 or -1."""
        if all(-1 <= factor <= 1 for factor in form.products.values()):
            return form
        result = Form(dict(form.weights))
        for number, factor in form.products.items():
            if abs(factor) == 1:
                _add_one(result.products, number, factor)
            else:
                multiple = Form()
                multiple.add(self.forms[number], factor)
                result.add(self._product(self.selectors[number], multiple))
        return self.normal(result)

    def reached(self, forms: Iterable[Form], known: set[int] | None = None) -> set[int]:
        """Numbers of the products that forms are sums of, directly or by way of others, besides those in `known`."""
        found: set[int] = set()
        known = known or set()
        left = [number for form in forms for number in form.products]
        while left:
            number = left.pop()
            if number not in found and number not in known:
                found.add(number)
                left.extend(self.forms[number].products)
        return found

    def _product(self, bit: int, form: Form) -> Form:
        """What bit * form is, for a form that reads no bit of the same thermometer."""
        form, outputs = self.normal(form), self.outputs
        weights = sorted(item for item in form.weights.items() if item[0] >= outputs)
        products = sorted(form.products.items())
        result = Form()
        constant = {key: weight for key, weight in form.weights.items() if key < outputs}
        if weights or products:
            sign = 1 if (weights or products)[0][1] > 0 else -1
            if sign < 0:
                weights = [(key, -weight) for key, weight in weights]
                products = [(number, -factor) for number, factor in products]
            known = (bit, tuple(weights), tuple(products))
            number = self._known.get(known)
            if number is None:
                number = self._known[known] = len(self.forms)
                self.selectors.append(bit)
                held = {key: sign * weight for key, weight in constant.items()}
                self.forms.append(Form({**dict(weights), **held}, dict(products)))
            for key, weight in self.forms[number].weights.items():
                if key < outputs:
                    _add_one(constant, key, -sign * weight)
            result.products[number] = sign
        base = (bit + 1) * outputs
        result.weights.update((base + key, weight) for key, weight in constant.items())
        return result


def _add(total: dict[int, int], added: dict[int, int], factor: int) -> None:
    for key, value in added.items():
        _add_one(total, key, factor * value)


def _add_one(total: dict[int, int], key: int, value: int) -> None:
    value += total.get(key, 0)
    if value:
        total[key] = value
    else:
        total.pop(key, None)
