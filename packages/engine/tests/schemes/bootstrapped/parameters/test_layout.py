"""Regions are as wide as their widest need, and no wider."""

from __future__ import annotations

from dataclasses import replace

from cryptable_engine import verify
from cryptable_engine.schemes.bootstrapped.parameters.layout import lay_out


def test_lookups_and_free_terms_share_the_output_region(shared):
    layout = lay_out(shared, verify(shared))
    assert layout.output == (8, 8)  # up to 2 + 3 + 1 + 35 + 14 + 120 = 175
    assert layout.widths == (8, 8, 8, 8)
    assert layout.readings == ((), ((2, 2),), (), ((8, 8),))


def test_without_free_terms_the_input_region_is_as_narrow_as_its_lookups(shared):
    nodes = list(shared.nodes)
    nodes[3] = type(nodes[3])(nodes[3].terms[1:], nodes[3].offset)
    nodes[0] = type(nodes[0])((*nodes[0].groups[:2], type(nodes[0].groups[2])(nodes[0].groups[2].kind, 1, 3)))
    circuit = type(shared)(tuple(nodes), 3)
    assert lay_out(circuit, verify(circuit)).widths == (2, 2, 8, 8)


def test_an_input_region_holds_the_largest_input(linear):
    layout = lay_out(linear, verify(linear))
    assert layout.widths == (11, 11)
    assert layout.readings == ((), ((11, 11),))


def test_a_declared_maximum_makes_the_output_narrower(shared):
    circuit = replace(shared, output_maximum=120)
    layout = lay_out(circuit, verify(circuit))
    assert layout.output == (7, 7)
    assert layout.widths == (7, 7, 7, 7)
