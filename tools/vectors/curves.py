"""Vectors of several curves of one number: what models that begin with functions of single features need."""

from __future__ import annotations

from cryptable_protocol.messages import client_spec

from vectors import samples
from vectors.accept import spec_vector
from vectors.vector import Accepted, Rejected, canonical, changed, put


def curves_spec() -> client_spec.ClientSpec:
    """A regression that reads one feature as a curve, as a step and as it is."""
    spec = samples.polyline_spec()
    bent = client_spec.PolylineEncoder()
    bent.CopyFrom(spec.features[0].polyline)
    step = client_spec.PolylineEncoder(knots=[2.9999999999999996, 3.0], levels_at=[0.0, 1.0], levels=2)
    line = client_spec.PolylineEncoder(knots=[0.0, 5.0], levels_at=[0.0, 10.0], levels=11)
    spec.features[0].CopyFrom(
        client_spec.FeatureEncoder(name="age", curves=client_spec.CurvesEncoder(curves=[bent, step, line]))
    )
    spec.input.size += 2
    return spec


def accepted() -> list[Accepted]:
    """Client specs to accept."""
    return [
        spec_vector(
            "curves",
            "three curves of one number: bent, a step between two neighbouring doubles, a line",
            canonical(curves_spec()),
            evaluation_keys_bytes=0,
            # 2.9 is 0.45 of the way from 2 to 4, where the first curve falls from 7 to 2.5; 2.9 / 5 of 10 is 5.8.
            encodes=[
                {"row": [2.9, 0.0], "elements": [5, 0, 6, 0]},
                {"row": [3.0, 0.0], "elements": [5, 1, 6, 0]},
                {"row": [-1.0, 0.0], "elements": [0, 0, 0, 0]},
                {"row": [9.0, 0.0], "elements": [2, 1, 10, 0]},
            ],
        )
    ]


def rejected() -> list[Rejected]:
    """Client specs to refuse."""
    cases: dict[str, tuple[str, int, dict[str, list[float]]]] = {
        "curves_none": ("no curve", 0, {}),
        "curves_one": ("one curve, which a polyline encoder is for", 1, {}),
        "curves_many": ("more curves than MAX_CURVES", 65, {}),
        "curves_missing": ("a curve that takes missing values", 3, {"missing": [1]}),
        "curves_knots": ("a curve whose knots fall", 3, {"knots": [5.0, 0.0]}),
    }
    found = []
    for name, (why, count, fields) in cases.items():

        def change(spec: client_spec.ClientSpec, count: int = count, fields: dict[str, list[float]] = fields) -> None:
            curves = spec.features[0].curves.curves
            last = client_spec.PolylineEncoder()
            last.CopyFrom(curves[-1])
            spec.input.size += count - len(curves)
            del curves[min(count, len(curves)) :]
            curves.extend([last] * (count - len(curves)))
            if fields:
                put(curves[-1], **fields)

        found.append(Rejected("client_spec", name, why, changed(curves_spec(), change), "fields"))
    return found
