"""Col2Im: patches laid over each other and added up, as `torch.nn.Fold` does."""

from cryptable.importers.networks.operators.registry import linear

linear("Col2Im")
