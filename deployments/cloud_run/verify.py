#!/usr/bin/env python3
"""Verify a live service by what it means: it is ready, says which model answers, and prices well.

    python3 verify.py https://candidate---housing-abc.a.run.app [EXPECTED_MODEL_VERSION]
    python3 verify.py --version https://housing-abc.a.run.app    # print the version that answers

Only the standard library is used. HOUSING_API_KEY is sent when it is set, and so is
HOUSING_IDENTITY_TOKEN, which a private service of Cloud Run asks for. Exit code 1 and one message
when something is wrong.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

PLACE: dict[str, Any] = {
    "longitude": -122.23,
    "latitude": 37.88,
    "housing_median_age": 41,
    "total_rooms": 880,
    "total_bedrooms": 129,
    "population": 322,
    "households": 126,
    "median_income": 8.3252,
    "ocean_proximity": "NEAR BAY",
}
PLAUSIBLE = (300_000, 550_000)
"""Dollars: the price known for that place is 452,600."""

POORER = {**PLACE, "median_income": 1.5, "longitude": -119.79, "latitude": 36.74}
POORER["ocean_proximity"] = "INLAND"


class VerificationError(Exception):
    """The service does not do what it should."""


def call(url: str, body: object = None) -> Any:
    """Return the JSON answer of a GET, or of a POST when there is a body."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("HOUSING_API_KEY"):
        headers["X-API-Key"] = key
    if token := os.environ.get("HOUSING_IDENTITY_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - as given
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise VerificationError(f"{url} answered {error.code}: {error.read()[:300]!r}") from error
    except (OSError, ValueError) as error:
        raise VerificationError(f"{url} did not answer: {error}") from error


def verify(url: str, expected_version: str | None) -> str:
    """Return what was found, in words.

    Raises:
        VerificationError: when the service is not ready, or its answers make no sense.
    """
    ready = call(f"{url}/health/ready")
    version = ready["model_version"]
    if expected_version and version != expected_version:
        raise VerificationError(f"model version {version} answers, not {expected_version}")
    answer = call(f"{url}/api/v1/predict", {"instances": [PLACE, POORER]})
    if answer["model_version"] != version:
        raise VerificationError(f"ready says version {version}, predict {answer['model_version']}")
    first, second = answer["predictions"]
    price, interval = first["predicted_price"], first["prediction_interval"]
    if not PLAUSIBLE[0] <= price <= PLAUSIBLE[1]:
        raise VerificationError(f"a place of 452,600 dollars is priced at {price:,.0f}")
    if not interval["lower"] <= price <= interval["upper"]:
        raise VerificationError(f"the price {price:,.0f} is outside its interval {interval}")
    if second["predicted_price"] >= price:
        raise VerificationError("a poor place inland is priced above a rich one by the bay")
    return f"version {version} is ready and prices the known place at {price:,.0f} dollars"


def main() -> int:
    """Verify the service whose address is the first argument."""
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if sys.argv[1] == "--version":
            print(call(f"{sys.argv[-1].rstrip('/')}/health/ready")["model_version"])
            return 0
        print(verify(sys.argv[1].rstrip("/"), sys.argv[2] if len(sys.argv) == 3 else None))
    except (VerificationError, KeyError, TypeError, ValueError) as error:
        print(f"verification failed: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
