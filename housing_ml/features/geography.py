"""Where a place lies: kilometres, rotated axes, the big cities, the coast, and clusters.

Distances are Euclidean in a plane whose scale is right at 37 degrees north. Over California's
width that is wrong by up to 4 %, and as monotone as the trees need it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

KILOMETRES_PER_DEGREE = np.array([88.8, 111.2])
"""Of longitude, at 37 degrees north, and of latitude."""

CITIES = {
    "los_angeles": (-118.2437, 34.0522),
    "san_diego": (-117.1611, 32.7157),
    "san_jose": (-121.8863, 37.3382),
    "san_francisco": (-122.4194, 37.7749),
    "fresno": (-119.7871, 36.7378),
    "sacramento": (-121.4944, 38.5816),
    "bakersfield": (-119.0187, 35.3733),
    "santa_barbara": (-119.6982, 34.4208),
}
"""Longitude and latitude of city centres in degrees."""

COAST = (
    *((-124.20, 41.75), (-124.16, 41.06), (-124.19, 40.80), (-124.41, 40.44), (-124.07, 40.03)),
    *((-123.81, 39.44), (-123.71, 38.91), (-123.05, 38.33), (-122.99, 38.00), (-122.51, 37.76)),
    *((-122.45, 37.46), (-122.33, 37.11), (-122.02, 36.95), (-121.79, 36.80), (-121.94, 36.60)),
    *((-121.81, 36.25), (-121.19, 35.64), (-120.87, 35.37), (-120.64, 35.14), (-120.64, 34.75)),
    *((-120.47, 34.45), (-119.69, 34.40), (-119.29, 34.27), (-118.81, 34.01), (-118.50, 34.01)),
    *((-118.40, 33.74), (-118.19, 33.76), (-118.00, 33.65), (-117.79, 33.54), (-117.60, 33.39)),
    *((-117.38, 33.19), (-117.28, 32.85), (-117.13, 32.58)),
)
"""Points along the Pacific shore from north to south: longitude and latitude in degrees."""

ANGLES = (15, 30, 45, 60, 75)
"""Degrees by which the axes are turned: trees cut along axes, the coast runs aslant."""

CLUSTER_WIDTH = 50.0
"""Standard deviation in kilometres of the similarity to a cluster's centre."""

_RADIANS = np.deg2rad(ANGLES)
_EAST_PART = np.concatenate([np.cos(_RADIANS), -np.sin(_RADIANS)])
_NORTH_PART = np.concatenate([np.sin(_RADIANS), np.cos(_RADIANS)])


def plane(degrees: Floats) -> Floats:
    """Return longitude and latitude (n, 2) in degrees as kilometres (n, 2)."""
    kilometres: Floats = degrees * KILOMETRES_PER_DEGREE
    return kilometres


_LANDMARKS = plane(np.array([*CITIES.values(), *COAST]))


def location_names(clusters: int) -> list[str]:
    """Return the names of the columns of `location_features`."""
    return [
        *(f"east_turned_{angle}" for angle in ANGLES),
        *(f"north_turned_{angle}" for angle in ANGLES),
        *(f"distance_to_{city}" for city in CITIES),
        "distance_to_coast",
        *(f"similarity_to_cluster_{cluster}" for cluster in range(clusters)),
    ]


def location_features(place: Floats, centres: Floats) -> list[Floats]:
    """Return what follows from places (n, 2) and cluster centres (c, 2), both in kilometres.

    The blocks are (n, 10) turned axes, (n, 9) distances to cities and to the coast, all in
    kilometres, and (n, c) similarities from 0 to 1. All points are measured at once: for a single
    row it is the number of NumPy's calls that costs.
    """
    squared = _squared_distances(np.concatenate([_LANDMARKS, centres]), place)
    cities, points = len(CITIES), len(_LANDMARKS)
    squared[cities] = squared[cities:points].min(axis=0)
    distances, clusters = squared[: cities + 1], squared[points:]
    clusters *= -0.5 / CLUSTER_WIDTH**2
    return [
        place[:, :1] * _EAST_PART + place[:, 1:] * _NORTH_PART,
        np.sqrt(distances, out=distances).T,
        np.exp(clusters, out=clusters).T,
    ]


def _squared_distances(places: Floats, others: Floats) -> Floats:
    """Return squared kilometres (n, m) between places (n, 2) and others (m, 2).

    It works in place: fresh memory for so many numbers costs as much as their sums.
    """
    east = places[:, :1] - others[:, 0]
    north = places[:, 1:] - others[:, 1]
    east *= east
    north *= north
    east += north
    return east


def fit_clusters(places: Floats, clusters: int, seed: int) -> Floats:
    """Return the centres of k-means, float64 (`clusters`, 2), the best of three starts.

    Many rows share a place, and a centre that starts where another one does ends without rows: it
    goes to the place that lies farthest from all centres. Where there are fewer places than
    clusters, some places have several centres.
    """
    if clusters == 0:
        return np.empty((0, 2))
    from scipy.cluster.vq import kmeans  # noqa: PLC0415 - slow, and only training needs it

    centres, _ = kmeans(places, min(clusters, len(places)), iter=3, seed=seed)
    while len(centres) < clusters:
        farthest = _squared_distances(places, centres).min(axis=1).argmax()
        centres = np.vstack([centres, places[farthest]])
    return np.ascontiguousarray(centres)
