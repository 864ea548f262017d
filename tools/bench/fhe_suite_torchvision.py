"""Stands in for torchvision in the FHE Benchmarking Suite's harness, which needs of it what downloads MNIST.

fhe_suite.py copies this file, as torchvision.py, and mnist.npz into the harness's environment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

Transform = Callable[[Tensor], Tensor]


class Mnist(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images and labels from the file beside this one; `root` and `download` are not heeded."""

    def __init__(self, root: str, train: bool, download: bool, transform: Transform) -> None:  # noqa: ARG002
        part = "train" if train else "test"
        with np.load(Path(__file__).with_name("mnist.npz")) as file:
            self._images, self._labels = file[f"{part}_images"], file[f"{part}_labels"]
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(self._images[index].reshape(1, 28, 28))
        return self._transform(image), int(self._labels[index])


class ToTensor:
    """Bytes to numbers from 0 to 1."""

    def __call__(self, image: Tensor) -> Tensor:
        """Shape (1, height, width)."""
        return image.to(torch.float32) / 255


class Normalize:
    """Of one channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean, self._std = mean[0], std[0]

    def __call__(self, image: Tensor) -> Tensor:
        """Of the same shape."""
        return (image - self._mean) / self._std


class Compose:
    """One after the other."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self._transforms = transforms

    def __call__(self, image: Tensor) -> Tensor:
        """What all of them make of an image."""
        for transform in self._transforms:
            image = transform(image)
        return image


datasets = SimpleNamespace(MNIST=Mnist)
transforms = SimpleNamespace(Compose=Compose, ToTensor=ToTensor, Normalize=Normalize)
