"""A sample of made-up block groups, for trying the platform with no data and no network.

The geography is a mixture around real cities; incomes, counts and prices follow the shape of the
real data: the same columns, missing values and cap. No row is a real place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from housing_ml.data.contract import COLUMNS, FIELDS, TARGET

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 20_640
MISSING_SHARE = 0.01
PRICE_CAP = 500_001.0
PRICE_FLOOR = 14_999.0

_CITIES = np.array(
    [
        # longitude, latitude, share of the rows, spread in degrees, appeal
        [-118.25, 34.05, 0.32, 0.26, 0.25],  # Los Angeles
        [-117.85, 33.72, 0.10, 0.15, 0.30],  # Orange County
        [-117.10, 32.85, 0.09, 0.15, 0.20],  # San Diego
        [-117.30, 34.05, 0.08, 0.25, -0.25],  # Riverside and San Bernardino
        [-116.50, 33.80, 0.02, 0.25, -0.15],  # Palm Springs
        [-122.42, 37.75, 0.07, 0.10, 0.55],  # San Francisco
        [-122.20, 37.78, 0.07, 0.15, 0.25],  # Oakland
        [-121.90, 37.33, 0.07, 0.15, 0.45],  # San Jose
        [-121.45, 38.58, 0.06, 0.30, -0.20],  # Sacramento
        [-119.78, 36.75, 0.04, 0.35, -0.45],  # Fresno
        [-119.02, 35.37, 0.03, 0.35, -0.45],  # Bakersfield
        [-120.60, 35.40, 0.03, 0.30, 0.15],  # the central coast
        [-122.30, 40.60, 0.0197, 0.35, -0.40],  # the north
        [-118.42, 33.38, 0.0003, 0.03, 0.60],  # Catalina
    ]
)
_ISLAND = len(_CITIES) - 1
_COAST = np.array(
    [
        # longitude, latitude, from south to north
        *([-117.15, 32.5], [-117.3, 33.0], [-117.9, 33.6], [-118.4, 33.8], [-118.5, 34.0]),
        *([-119.2, 34.15], [-120.6, 34.6], [-121.9, 36.6], [-122.5, 37.7], [-123.8, 39.3]),
        *([-124.2, 41.8], [-124.2, 42.05]),
    ]
)
_BAY = np.array([-122.25, 37.75])


def generate(rows: int = ROWS, seed: int = 42) -> pd.DataFrame:
    """Return `rows` made-up block groups with their prices, the same for the same seed."""
    random = np.random.default_rng(seed)
    city = random.choice(len(_CITIES), rows, p=_CITIES[:, 2])
    longitude, latitude = _places(random, city)
    coast = _distance_to_coast(longitude, latitude)
    income = np.clip(random.lognormal(1.2 + 0.3 * _CITIES[city, 4], 0.42), 0.5, 15.0)
    households = np.clip(random.lognormal(6.0, 0.65, rows), 5, 6000).round()
    rooms = households * np.clip(random.normal(4.0 + 0.33 * income, 0.8), 1.5, 12)
    bedrooms = np.clip(households * random.normal(1.07, 0.06, rows), 1, None).round()
    bedrooms[random.random(rows) < MISSING_SHARE] = np.nan
    frame = pd.DataFrame(
        {
            "longitude": longitude,
            "latitude": latitude,
            "housing_median_age": np.clip(random.normal(29, 12, rows), 1, 52).round(),
            "total_rooms": rooms.round(),
            "total_bedrooms": bedrooms,
            "population": np.clip(households * random.normal(2.9, 0.6, rows), 3, None).round(),
            "households": households,
            "median_income": income.round(4),
            "ocean_proximity": _proximity(longitude, latitude, coast),
        }
    )
    frame[TARGET] = _prices(random, frame, city, coast)
    return frame[[*COLUMNS, TARGET]]


def _places(
    random: np.random.Generator, city: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes and latitudes around the cities, mirrored at the border and the coast."""
    spread = _CITIES[city, 3]
    south, north = FIELDS["latitude"].minimum, FIELDS["latitude"].maximum
    west, east = FIELDS["longitude"].minimum, FIELDS["longitude"].maximum
    latitude = south + np.abs(random.normal(_CITIES[city, 1], spread) - south)
    longitude = random.normal(_CITIES[city, 0], spread)
    coast = _distance_to_coast(longitude, latitude)
    at_sea = (coast < 0) & (city != _ISLAND)
    longitude = np.where(at_sea, longitude - 2 * coast, longitude)
    return np.clip(longitude, west, east).round(2), np.clip(latitude, south, north).round(2)


def _distance_to_coast(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return degrees of longitude east of the coast's line, below 0 at sea."""
    return np.asarray(longitude - np.interp(latitude, _COAST[:, 1], _COAST[:, 0]))


def _proximity(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], coast: NDArray[np.float64]
) -> NDArray[np.str_]:
    bay = np.hypot(longitude - _BAY[0], latitude - _BAY[1]) < 0.3
    return np.select(
        [coast < -0.1, bay, coast < 0.15, coast < 0.9],
        ["ISLAND", "NEAR BAY", "NEAR OCEAN", "<1H OCEAN"],
        "INLAND",
    )


def _prices(
    random: np.random.Generator,
    frame: pd.DataFrame,
    city: NDArray[np.int64],
    coast: NDArray[np.float64],
) -> NDArray[np.float64]:
    crowd = np.log(frame["population"] / frame["households"])
    logarithm = (
        11.03
        + 0.75 * np.log(frame["median_income"])
        + _CITIES[city, 4]
        - 0.18 * np.clip(coast, 0, 3)
        - 0.35 * (crowd - crowd.mean())
        + 0.003 * frame["housing_median_age"]
        + random.normal(0, 0.19, len(frame))
    )
    prices = np.exp(logarithm.to_numpy()).round(-2)
    return np.asarray(np.clip(prices, PRICE_FLOOR, PRICE_CAP))
