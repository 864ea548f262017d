"""Networks as hypothesis draws them compile, and their circuits are near the float networks."""

import numpy as np
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

ACTIVATIONS = (
    *(nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Hardswish, nn.Softplus, nn.Mish),
    *(nn.SELU, nn.ReLU6),
)
activations = st.sampled_from(ACTIVATIONS).map(lambda kind: kind())


class Sum(nn.Module):
    def __init__(self, size, activation):
        super().__init__()
        self.linear, self.activation = nn.Linear(size, size), activation

    def forward(self, rows):
        return rows + self.activation(self.linear(rows))


class Joined(nn.Module):
    def __init__(self, size, activation):
        super().__init__()
        self.linear, self.activation = nn.Linear(size, 4), activation

    def forward(self, rows):
        return torch.cat([rows, self.activation(self.linear(rows))], dim=1)


class Gate(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.gate, self.linear = nn.Linear(size, size), nn.Linear(size, size)

    def forward(self, rows):
        return torch.sigmoid(self.gate(rows)) * self.linear(rows)


@st.composite
def fronts(draw):
    """The shape of a row, and the layers that see it."""
    axes = draw(st.integers(0, 2))
    if not axes:
        return (draw(st.integers(3, 7)),), []
    convolution = (nn.Conv1d, nn.Conv2d)[axes - 1]
    shape = (2, *[draw(st.integers(5, 8 if axes == 1 else 6))] * axes)
    channels, groups = 2 * draw(st.integers(1, 2)), draw(st.sampled_from([1, 2]))
    layers = [
        convolution(2, channels, 3, stride=draw(st.integers(1, 2)), padding=draw(st.integers(0, 1)), groups=groups),
        (nn.BatchNorm1d, nn.BatchNorm2d)[axes - 1](channels),
        draw(activations),
    ]
    pooling = draw(st.sampled_from([None, (nn.MaxPool1d, nn.MaxPool2d), (nn.AvgPool1d, nn.AvgPool2d)]))
    if pooling is not None:
        layers.append(pooling[axes - 1](2, ceil_mode=True))
    return shape, [*layers, nn.Flatten()]


@st.composite
def networks(draw):
    """A network with random weights, and rows for it."""
    torch.manual_seed(draw(st.integers(0, 999)))
    shape, layers = draw(fronts())
    rows = torch.randn(150, *shape)
    front = nn.Sequential(*layers)
    for _ in range(3):
        front(rows)  # statistics of batch normalizations
    size = front.eval()(rows).flatten(1).shape[1]
    for block in draw(st.lists(st.sampled_from(["dense", "sum", "joined", "gate"]), max_size=2)):
        match block:
            case "dense":
                layers += [nn.Linear(size, 5), draw(activations)]
                size = 5
            case "sum":
                layers.append(Sum(size, draw(activations)))
            case "joined":
                layers.append(Joined(size, draw(activations)))
                size += 4
            case "gate":
                layers.append(Gate(size))
    return nn.Sequential(*layers, nn.Linear(size, draw(st.integers(1, 3)))).eval(), rows.numpy()


@given(networks())
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_network_compiles_near_itself(drawn):
    """Beyond 0.15 of the deviation of a score, `compile` warns; none is far from that."""
    network, rows = drawn
    planned = plan(network, rows, CompileSettings(bits=5, scheme="bootstrapped"))
    with torch.no_grad():
        scores = network(torch.tensor(rows)).numpy().reshape(len(rows), -1)
    found = planned.decoder.decision_function(
        interpret(planned.circuit, encode_rows(planned.features, rows.reshape(len(rows), -1)))
    )
    off = (np.sqrt(np.mean((found.reshape(scores.shape) - scores) ** 2, axis=0)) / scores.std(axis=0)).max()
    assert off < 0.4
    assert abs(off - planned.agreement.rms) < 1e-3
