"""Networks that round their inputs themselves, behind a scaler: rows on the border between two levels."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.neural import QuantNeuralNetRegressor
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.filterwarnings("error::cryptable.AgreementWarning")


@pytest.mark.parametrize("activation", ["triangle", "square"])
def test_the_scalers_own_rounding_decides(activation):
    """Of features with few values, many lie on a border; so do the edges themselves, and the doubles beside them."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    network = QuantNeuralNetRegressor((4,), activation=activation, input_bits=3, max_epochs=1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    levels, scaler = network.levels_, pipeline[0]
    borders = (levels.lower + levels.step * (np.arange(7)[:, None] + 0.5)) * scaler.scale_ + scaler.mean_
    rows = np.concatenate([X, borders, np.nextafter(borders, np.inf), np.nextafter(borders, -np.inf)])
    model = ct.compile(pipeline, X, show_progress=False)
    np.testing.assert_allclose(model.predict(rows), pipeline.predict(rows), rtol=1e-4)
