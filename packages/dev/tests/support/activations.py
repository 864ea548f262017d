"""Twelve activations of networks."""

import numpy as np
from scipy.special import erf, expit

ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky": lambda z: np.where(z > 0, z, 0.1 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z * expit(z),
    "softplus": lambda z: np.logaddexp(0, z),
    "tanh": np.tanh,
    "sigmoid": expit,
    "hardtanh": lambda z: np.clip(z, -1, 1),
    "step": lambda z: (z > 0.3).astype(float),
    "gauss": lambda z: np.exp(-(z**2)),
    "sine": np.sin,
}
