"""Alerts for practice: each rule that Prometheus holds, sent by the way that the real one takes.

Prometheus says which rules it holds and which Alertmanager it tells; that one says who hears of it
and what the receiver answered.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Sequence

PRACTICE = "practice"
"""Label of what is sent for practice; its value is the moment, so that each try is told."""

NOBODY = "nobody"
"""Alertmanager's receiver where no webhook is set."""

NOTHING_IS_WRONG = "Practice, nothing is wrong."
_LASTING = timedelta(minutes=1)
_PATIENCE_SECONDS = 30.0


class PracticeError(HousingError):
    """Alerts that would not arrive; the message says where the way ends and what to set."""


def practise(prometheus: str) -> list[str]:
    """Send one of each alert by Alertmanager, and wait until they are taken; return their names.

    Args:
        prometheus: Address of Prometheus, such as http://127.0.0.1:9090.

    Raises:
        PracticeError: when a part does not answer, nobody is told, or the receiver refuses.
    """
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    with httpx.Client(timeout=10.0) as client:
        try:
            rules = _rules(client, prometheus)
            alertmanager = _alertmanager(client, prometheus)
            before = _told(client, alertmanager)
            alerts = [_alert(rule, stamp) for rule in rules]
            client.post(f"{alertmanager}/api/v2/alerts", json=alerts).raise_for_status()
            _require_somebody(client, alertmanager, stamp)
            _wait_until_told(client, alertmanager, before + len(alerts))
        except httpx.HTTPError as error:
            raise PracticeError(
                f"{error.request.url} gives no answer ({error}): start it with `make up` or "
                "`make containers`, or set HOUSING_PROMETHEUS_URL"
            ) from error
    return [rule["name"] for rule in rules]


def _rules(client: httpx.Client, prometheus: str) -> list[dict[str, Any]]:
    answer = client.get(f"{prometheus}/api/v1/rules", params={"type": "alert"})
    groups: Sequence[dict[str, Any]] = answer.raise_for_status().json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "look" in rule["annotations"]]
    if not rules:
        raise PracticeError(f"{prometheus} holds none of the platform's rules: see its rule_files")
    return rules


def _alertmanager(client: httpx.Client, prometheus: str) -> str:
    found = client.get(f"{prometheus}/api/v1/alertmanagers").raise_for_status().json()["data"]
    if not found["activeAlertmanagers"]:
        raise PracticeError(f"{prometheus} tells no Alertmanager: see its part `alerting`")
    address: str = found["activeAlertmanagers"][0]["url"]
    return address.removesuffix("/api/v2/alerts")


def _alert(rule: dict[str, Any], stamp: str) -> dict[str, Any]:
    return {
        "labels": {**rule["labels"], "alertname": rule["name"], PRACTICE: stamp},
        "annotations": {**rule["annotations"], "summary": NOTHING_IS_WRONG},
        "endsAt": (datetime.now(UTC) + _LASTING).isoformat(),
    }


def _require_somebody(client: httpx.Client, alertmanager: str, stamp: str) -> None:
    query = {"filter": f'{PRACTICE}="{stamp}"'}
    alerts = client.get(f"{alertmanager}/api/v2/alerts", params=query).raise_for_status().json()
    if any(receiver["name"] == NOBODY for alert in alerts for receiver in alert["receivers"]):
        raise PracticeError(
            f"Alertmanager at {alertmanager} tells nobody: set HOUSING_NOTIFICATION_URL where the "
            "platform is started, and start it again"
        )


def _wait_until_told(client: httpx.Client, alertmanager: str, wanted: int) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while (found := _told(client, alertmanager)) < wanted:
        if time.monotonic() > give_up:
            raise PracticeError(
                f"the receiver did not take {wanted - found} of the alerts within "
                f"{_PATIENCE_SECONDS:.0f} s: look at Alertmanager's log, and at the address in "
                "HOUSING_NOTIFICATION_URL"
            )
        time.sleep(0.2)


def _told(client: httpx.Client, alertmanager: str) -> int:
    """Return how many messages Alertmanager's receivers have taken."""
    lines = client.get(f"{alertmanager}/metrics").raise_for_status().text.splitlines()
    totals = dict.fromkeys(("", "failed_"), 0.0)
    for line in lines:
        name, _, value = line.rpartition(" ")
        for kind in totals:
            if name.startswith(f"alertmanager_notification_requests_{kind}total{{"):
                totals[kind] += float(value)
    return int(totals[""] - totals["failed_"])
