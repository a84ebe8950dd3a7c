"""What models in use share: a result that means nothing is an error."""

from pathlib import Path

import numpy as np
import pytest

from i2pmae.commands.use import load_predictor
from i2pmae.common.errors import UsageError
from tests.weights.small_models import save_model


@pytest.mark.parametrize("kind", ["i2p-mae classification", "point-mae classification", "point-m2ae segmentation"])
@pytest.mark.parametrize("scale", [1e19, 1e30])
def test_predictions_that_are_not_finite_are_refused(
    kind: str, scale: float, tmp_path: Path, clouds: np.ndarray
) -> None:
    predictor = load_predictor(save_model(tmp_path, kind), "cpu")
    far = clouds.copy()
    far[2] *= np.float32(scale)
    with pytest.raises(UsageError, match=r"Cloud 2, whose coordinates reach.*not finite.*Leave normalise on"):
        predictor.predict(far, normalise=False)
    assert np.isfinite(predictor.predict(far).probabilities).all()
