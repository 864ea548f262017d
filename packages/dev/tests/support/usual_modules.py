"""Forms in which people write torch modules: what each is made of, its rows, and why it is refused, where it is."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from cryptable.neural.quantizers import qnn
from torch import nn
from torch.nn.functional import pad

GENERATOR = np.random.default_rng(0)
BITS = 5


def rows(*shape):
    return GENERATOR.normal(size=(80, *shape)).astype(np.float32)


class Net(nn.Module):
    """A forward pass as a function of the module and its inputs; `parts` are its submodules."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.of = forward
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs):
        return self.of(self, *inputs)


@dataclass
class Case:
    """`trained` modules have Brevitas' quantizers, and are exported by Brevitas."""

    name: str
    make: object
    X: object
    refused: str = ""
    trained: bool = False
    bits: object = field(default=BITS)


def chain(*layers):
    return nn.Sequential(*layers)


def convolutions(pool, *, groups=1, normalized=False):
    """Of one channel of 8x8 pixels, or of as many channels as groups."""
    normal = [nn.BatchNorm2d(4)] if normalized else []
    first = [nn.Conv2d(groups, 2 * groups, 3, groups=groups), nn.ReLU(), pool(2)]
    second = [nn.Conv2d(2 * groups, 4, 1), nn.ReLU(), *normal]
    return chain(*first, *second, nn.Flatten(), nn.Linear(36, 6), nn.Tanh(), nn.Linear(6, 3))


def stairs(x, *biases):
    """As users write quantizers by hand: one where a number is above a bias."""
    total = torch.zeros_like(x)
    for bias in biases:
        step = torch.zeros_like(x)
        step[torch.gt(x - bias, 0.0)] = 1.0
        total = total + step
    return total


def shuffled(x):
    count, channels, height, width = x.size()
    apart = x.reshape(count, 2, channels // 2, height, width)
    return torch.transpose(apart, 1, 2).contiguous().reshape(count, -1, height, width)


def identity(bits=4):
    return qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)


def dense(inputs, outputs):
    return qnn.QuantLinear(inputs, outputs, bias=True, weight_bit_width=3)


def conv(inputs, outputs, size):
    return qnn.QuantConv2d(inputs, outputs, size, bias=True, weight_bit_width=3)


def training_step(self, x, y, weights):
    """Of a logistic regression, on encrypted data."""
    off = torch.sigmoid(torch.bmm(x, weights)) - y
    return weights - torch.bmm(x.transpose(1, 2), off) / x.size(1)


def joined_blocks(self, x):
    """A layer on each block of a table, by index."""
    given = self.given(x).value
    blocks = [self.after(self.one(given[:, index, :])) for index in range(3)]
    return self.two(self.last(torch.relu(torch.cat(blocks, dim=1))))


FIXED = torch.manual_seed(1) and torch.rand(4) - 0.5
FIRST_AXIS = "the first axis must stay the rows|mixes rows"
CASES = [
    Case(
        "two outputs", lambda: Net(lambda s, x, y: (x + y + 3.0, (x - y) ** 2)), (rows(4), rows(4)), "2 outputs|several"
    ),
    Case("a function of the features", lambda: Net(lambda s, x: torch.relu(x)), rows(4)),
    Case("one hidden layer", lambda: chain(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 6)), rows(6)),
    Case(
        "five layers",
        lambda: chain(
            *(
                layer
                for before, after in pairwise((48, 24, 12, 8, 8))
                for layer in (nn.Linear(before, after), nn.ReLU())
            ),
            nn.Linear(8, 5),
        ),
        rows(48),
        bits=6,
    ),
    Case("convolutions, mean pooling", lambda: convolutions(nn.AvgPool2d), rows(1, 8, 8)),
    Case("convolutions, max pooling", lambda: convolutions(nn.MaxPool2d), rows(1, 8, 8)),
    Case("convolutions, normalized", lambda: convolutions(nn.AvgPool2d, normalized=True), rows(1, 8, 8)),
    Case("convolutions in groups", lambda: convolutions(nn.AvgPool2d, groups=2), rows(2, 8, 8)),
    Case("convolutions that are all zero", lambda: zeroed(convolutions(nn.AvgPool2d)), rows(1, 8, 8), "same scores"),
    Case(
        "a mean over rows",
        lambda: Net(lambda s, x: torch.mean(s.net(x)[0, 0:-1:2]), net=convolutions(nn.AvgPool2d)),
        rows(1, 8, 8),
        FIRST_AXIS,
    ),
    Case("a loop over layers", lambda: Net(looped, parts=nn.ModuleList(nn.Linear(4, 4) for _ in range(3))), rows(4)),
    Case("two inputs in a function", lambda: Net(lambda s, x, y: torch.tanh(x + y)), (rows(4), rows(4))),
    Case(
        "two inputs, layers",
        lambda: Net(lambda s, x, y: s.a(s.a(x) + s.b(y)), a=nn.Linear(4, 4), b=nn.Linear(4, 4)),
        (rows(4), rows(4)),
    ),
    Case(
        "two inputs, convolutions",
        lambda: Net(lambda s, x, y: s.a(s.a(x) + s.b(y)), a=nn.Conv2d(2, 2, 1), b=nn.Conv2d(2, 2, 1)),
        (rows(2, 3, 3), rows(2, 3, 3)),
    ),
    Case(
        "two inputs of unequal size",
        lambda: Net(lambda s, x, y: s.c(s.a(x) + s.b(y)), a=nn.Linear(5, 4), b=nn.Linear(3, 4), c=nn.Linear(4, 2)),
        (rows(5), rows(3)),
    ),
    Case(
        "two inputs, quantized",
        lambda: Net(
            lambda s, x, y: s.c(s.q(s.sum(s.a(s.given(x))).value + s.sum(s.b(s.other(y))).value)),
            given=identity(),
            other=identity(),
            sum=identity(6),
            q=identity(),
            a=dense(4, 4),
            b=dense(4, 4),
            c=dense(4, 2),
        ),
        (rows(4), rows(4)),
        "",
        trained=True,
        bits=None,
    ),
    Case("branches", lambda: Net(lambda s, x: x + torch.relu(x + 1.0) - torch.relu(x * 2.0)), rows(4)),
    Case(
        "branches with a layer",
        lambda: Net(lambda s, x: x + torch.relu(x + 1.0) - torch.relu(s.a(x * 2.0)), a=nn.Linear(4, 4)),
        rows(4),
    ),
    Case(
        "functions and shapes",
        lambda: Net(
            lambda s, x: torch.relu(torch.abs(torch.exp(torch.log(1.0 + torch.sigmoid(x.view(-1, 1).flatten(1))))))
        ),
        rows(1),
    ),
    Case("a step", lambda: Net(lambda s, x: torch.relu(stairs(x, 0.5) * 2.0)), rows(4), bits=7),
    Case("a step behind a layer", lambda: Net(lambda s, x: stairs(s.a(x), 0.5) * 2.0, a=nn.Linear(4, 4)), rows(4)),
    Case(
        "stairs before a layer",
        lambda: Net(lambda s, x: torch.relu(s.a(stairs(x, -1.0, -0.5, 0.0, 0.5, 1.0))), a=nn.Linear(4, 3)),
        rows(4),
        bits=6,
    ),
    Case(
        "results stacked along the rows",
        lambda: Net(lambda s, x: torch.stack([s.a(x), s.b(x)]), a=nn.Linear(4, 3), b=nn.Linear(4, 3)),
        rows(4),
        FIRST_AXIS,
    ),
    Case(
        "results stacked along a new axis",
        lambda: Net(lambda s, x: torch.stack([s.a(x), s.b(x)], dim=1), a=nn.Linear(4, 3), b=nn.Linear(4, 3)),
        rows(4),
    ),
    Case(
        "two convolutions of one input",
        lambda: Net(lambda s, x: torch.relu(s.a(x)) + torch.relu(s.b(x)), a=nn.Conv2d(1, 2, 3), b=nn.Conv2d(1, 2, 3)),
        rows(1, 5, 5),
    ),
    Case(
        "two convolutions, one of a function",
        lambda: Net(
            lambda s, x: torch.relu(s.a(torch.sigmoid(x))) + torch.relu(s.b(x)),
            a=nn.Conv2d(1, 2, 3),
            b=nn.Conv2d(1, 2, 3),
        ),
        rows(1, 5, 5),
    ),
    Case(
        "biases that are no parameters",
        lambda: Net(lambda s, x: torch.relu(s.b(torch.relu(s.a(x) + FIXED[:1])) + FIXED[1:2]), **unbiased()),
        rows(4),
    ),
    Case(
        "vectors of biases",
        lambda: Net(lambda s, x: torch.relu(s.b(torch.relu(s.a(x) + FIXED)) + FIXED), **unbiased()),
        rows(4),
    ),
    Case(
        "a tiny network of convolutions",
        lambda: chain(nn.Conv2d(1, 2, 2), nn.AvgPool2d(2), nn.ReLU(), nn.Conv2d(2, 3, 2), nn.Tanh()),
        rows(1, 6, 6),
    ),
    Case(
        "convolutions, quantized",
        lambda: chain(
            identity(),
            conv(1, 2, 3),
            nn.ReLU(),
            identity(3),
            conv(2, 3, 3),
            nn.ReLU(),
            identity(3),
            nn.Flatten(),
            dense(48, 3),
        ),
        rows(1, 8, 8),
        trained=True,
        bits=7,
    ),
    Case("one convolution", lambda: nn.Conv2d(1, 1, 3, bias=False), rows(1, 6, 6)),
    Case(
        "one convolution, quantized", lambda: chain(identity(), conv(1, 1, 3)), rows(1, 6, 6), trained=True, bits=None
    ),
    Case(
        "two quantizers of the input",
        lambda: Net(
            lambda s, x: s.a(s.q(s.one(x).value + s.two(x).value)),
            one=identity(3),
            two=identity(5),
            q=identity(),
            a=conv(1, 1, 3),
        ),
        rows(1, 6, 6),
        "rounds feature 0 again, in another way|its levels are not evenly spaced",
        trained=True,
        bits=None,
    ),
    Case("a sum over an axis", lambda: Net(lambda s, x: x.sum(dim=1, keepdim=True)), rows(4)),
    Case("a sum over the last axis", lambda: Net(lambda s, x: x.sum(dim=2)), rows(3, 4)),
    Case(
        "no quantizer of the input",
        lambda: chain(dense(4, 4), nn.Dropout(), identity(3), dense(4, 2)),
        rows(4),
        "no quantizer has rounded; begin the network with a QuantIdentity",
        trained=True,
        bits=None,
    ),
    Case(
        "channels shuffled",
        lambda: Net(lambda s, x: shuffled(torch.cat(x.chunk(2, dim=1), dim=1))),
        rows(4, 2, 2),
    ),
    Case(
        "channels shuffled, quantized",
        lambda: Net(lambda s, x: shuffled(torch.cat(s.given(x).value.chunk(2, dim=1), dim=1)), given=identity()),
        rows(4, 2, 2),
        trained=True,
        bits=None,
    ),
    Case(
        "padding, quantized",
        lambda: Net(lambda s, x: pad(pad(s.given(x).value, (3, 2)), (1, 1, 2, 2, 0, 0, 0, 0)), given=identity()),
        rows(1, 3, 3),
        trained=True,
        bits=None,
    ),
    Case(
        "three layers, quantized",
        lambda: chain(
            identity(), dense(6, 8), nn.ReLU(), identity(3), dense(8, 8), nn.ReLU(), identity(3), dense(8, 2)
        ),
        rows(6),
        trained=True,
        bits=None,
    ),
    Case(
        "three layers", lambda: chain(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), rows(6)
    ),
    Case(
        "blocks by index, joined, quantized",
        lambda: Net(
            joined_blocks, given=identity(), one=dense(4, 2), after=identity(), last=identity(3), two=dense(6, 2)
        ),
        rows(3, 4),
        trained=True,
        bits=None,
    ),
    Case(
        "a module in a module, quantized",
        lambda: Net(
            lambda s, x: s.inner(x), inner=chain(identity(), dense(4, 4), nn.Sigmoid(), identity(3), dense(4, 2))
        ),
        rows(4),
        trained=True,
        bits=None,
    ),
    Case(
        "a product with itself",
        lambda: Net(lambda s, x: torch.relu(torch.matmul(x[:, None], x[:, None].transpose(2, 1))).squeeze(-1)),
        rows(4),
        "multiplies two encrypted matrices",
    ),
    Case(
        "a step of training",
        lambda: Net(training_step),
        (rows(3, 2), rows(3, 1), rows(2, 1)),
        "multiplies two encrypted matrices",
    ),
    Case("a constant choice", lambda: Net(lambda s, x: torch.where(FIXED > 0, x, 0.0)), rows(4)),
    Case("a sum of two inputs", lambda: Net(lambda s, x, y: x + y), (rows(4), rows(4))),
    Case("an expanded axis", lambda: Net(lambda s, x: x.reshape((*x.shape, 1)).expand((*x.shape, 4))), rows(3)),
    Case(
        "convolutions over time",
        lambda: chain(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(6, 2)),
        rows(2, 8),
    ),
    Case("a new first axis", lambda: Net(lambda s, x: x.unsqueeze(0)), rows(4), FIRST_AXIS),
    Case(
        "a new first axis, and the input", lambda: Net(lambda s, x: (x, x.unsqueeze(0))), rows(4), "2 outputs|several"
    ),
    Case("a quotient of two inputs", lambda: Net(lambda s, x, y: x / y), (rows(4), rows(4) + 5), "Div node"),
    Case("a product of two inputs", lambda: Net(lambda s, x, y: x * y), (rows(4), rows(4)), bits=6),
    Case(
        "an embedding",
        lambda: Net(
            lambda s, x: s.b(torch.relu(s.a(s.table(x)))),
            table=nn.Embedding(6, 3),
            a=nn.Linear(3, 3),
            b=nn.Linear(3, 2),
        ),
        GENERATOR.integers(0, 6, (80, 3)),
    ),
]


def unbiased():
    return {"a": nn.Linear(4, 4, bias=False), "b": nn.Linear(4, 4, bias=False)}


def looped(self, x):
    for part in self.parts:
        x = torch.relu(part(x))
    return x


def zeroed(module):
    with torch.no_grad():
        for each in module.parameters():
            each.zero_()
    return module
