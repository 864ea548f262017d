"""Arithmetic of ring ciphertexts in vector instructions, in memory of the caller's and without Python's lock."""

from cryptable_kernel.expansion_keys import MAX_ROWS, PAIR, STAYS, SWITCHED, ExpansionKeys, Gadget
from cryptable_kernel.forms import Forms
from cryptable_kernel.library import PATHS, VARIABLE, Kernel, KernelUnavailable
from cryptable_kernel.lookups import MAX_BOOTSTRAP_ROWS, Bootstrap, BootstrapShape, Keyswitch, KeyswitchShape
from cryptable_kernel.memory import aligned
from cryptable_kernel.residues import Residues
from cryptable_kernel.ring import Ring
from cryptable_kernel.trial import open_kernel

__version__ = "0.1.0"

__all__ = [
    "MAX_BOOTSTRAP_ROWS",
    "MAX_ROWS",
    "PAIR",
    "PATHS",
    "STAYS",
    "SWITCHED",
    "VARIABLE",
    "Bootstrap",
    "BootstrapShape",
    "ExpansionKeys",
    "Forms",
    "Gadget",
    "Kernel",
    "KernelUnavailable",
    "Keyswitch",
    "KeyswitchShape",
    "Residues",
    "Ring",
    "aligned",
    "open_kernel",
]
