"""Quantizers of Brevitas' own format, QONNX: elementwise like any other, and the last step of most chains."""

from __future__ import annotations

from cryptable.importers.networks.operators.elementwise import convert
from cryptable.importers.networks.operators.registry import operator
from cryptable.importers.networks.qonnx import DOMAINS, OPERATORS

for _domain in DOMAINS:
    operator(*OPERATORS, kind="elementwise", note="with constant scale, zero point and bits", domain=_domain)(convert)
