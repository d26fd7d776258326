"""Fit the scikit-learn pipeline and write it as MLServer takes it: `peers.py` runs this.

python -m benchmarks.mlserver_model FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import pandas as pd

from housing_ml.config.choices import FeatureParameters
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.models import build_pipeline


def main() -> None:
    """Read `rows.parquet` of the folder, and write the model and its settings there."""
    folder = Path(sys.argv[1])
    frame = pd.read_parquet(folder / "rows.parquet")
    features = FeatureParameters(imputer="median")
    pipeline = build_pipeline(features, "histogram_gradient_boosting", {}, 42)
    pipeline.fit(to_matrix(frame), frame[TARGET].to_numpy(float))
    joblib.dump(pipeline, folder / "model.joblib")
    settings = {
        "name": "housing",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    main()
