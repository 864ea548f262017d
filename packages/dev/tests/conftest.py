"""What several tests share: a stand-in for pandas frames."""

import numpy as np
import pytest


class Frame:
    """Looks as a pandas frame does to what reads it."""

    def __init__(self, values, columns):
        self.values, self.columns = np.asarray(values), list(columns)

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or self.values.dtype)

    def __len__(self):
        return len(self.values)

    @property
    def shape(self):
        return self.values.shape

    @property
    def iloc(self):
        return self

    def __getitem__(self, part):
        return Frame(self.values[part], self.columns)


@pytest.fixture(scope="session")
def frame():
    return Frame
