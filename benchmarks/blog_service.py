"""A plain service in the usual blog style, to compare with: FastAPI, pydantic, pandas, a forest."""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MODEL_FILE = "BLOG_MODEL"
"""Variable that names the file of the pickled model."""


class House(BaseModel):
    """The features of one block group."""

    longitude: float
    latitude: float
    housing_median_age: float
    total_rooms: float
    total_bedrooms: float
    population: float
    households: float
    median_income: float
    ocean_proximity: str


def fit(frame: pd.DataFrame, prices: pd.Series, file: str) -> None:
    """Fit a random forest behind an imputer and a one-hot encoder; pickle it."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepared = ColumnTransformer(
        [
            ("numbers", numbers, [name for name in frame if name != "ocean_proximity"]),
            ("category", OneHotEncoder(handle_unknown="ignore"), ["ocean_proximity"]),
        ]
    )
    forest = RandomForestRegressor(n_estimators=200, random_state=42, n_jobs=-1)
    joblib.dump(make_pipeline(prepared, forest).fit(frame, prices), file)


def create_app() -> FastAPI:
    """Return the service of the model in `BLOG_MODEL`."""
    model = joblib.load(os.environ[MODEL_FILE])
    app = FastAPI()

    @app.post("/predict")
    def predict(house: House) -> dict[str, float]:
        frame = pd.DataFrame([house.model_dump()])
        return {"predicted_price": float(model.predict(frame)[0])}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
