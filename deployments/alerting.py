"""Who hears of Prometheus' alerts: Alertmanager's configuration, by the setting of the webhook.

python -m deployments.alerting FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from deployments.places import ROOT
from housing_ml.reporting.practice import NOBODY, PRACTICE
from housing_ml.settings import Settings
from housing_ml.storage.atomic import write_atomically

if TYPE_CHECKING:
    from pydantic import SecretStr

CONFIGURATION = "alertmanager.yml"
_PROMETHEUS = ROOT / "deployments" / "prometheus"
_ADDRESS = "webhook"
_TITLE = (
    '{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper }}{{ else }}Over{{ end }}: '
    "{{ .CommonLabels.alertname }}"
)
_TEXT = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n"
    '{{ if eq .Status "firing" }}Look at {{ .Annotations.look }}.\nType {{ .Annotations.type }}.\n'
    "{{ .Annotations.runbook }}\n{{ end }}{{ end }}"
)


def write_alertmanager(folder: Path, webhook: SecretStr | None) -> Path:
    """Write Alertmanager's configuration into a folder, and the webhook's address beside it.

    The address is a secret: only this user, and Alertmanager as the same user, can read it.
    """
    told = folder.absolute() / _ADDRESS
    if webhook:
        write_atomically(told, webhook.get_secret_value().encode())
    else:
        told.unlink(missing_ok=True)
    document = alertmanager(told if webhook else None)
    path = folder.absolute() / CONFIGURATION
    write_atomically(path, yaml.safe_dump(document, sort_keys=False).encode())
    return path


def alertmanager(address: Path | None) -> dict[str, Any]:
    """Return Alertmanager's configuration; `address` is the file of a webhook in Slack's form.

    An alert is told once it has lasted ten seconds more, again each twelve hours while it lasts,
    and when it is over. What `housing alerts test` sends is told at once, and its end is not.
    """
    person, practice = ("person", "practice") if address else (NOBODY, NOBODY)
    receivers = (
        [_slack(person, address, resolved=True), _slack(practice, address, resolved=False)]
        if address
        else [{"name": NOBODY}]
    )
    return {
        "route": {
            "receiver": person,
            "group_by": ["alertname", PRACTICE],
            "group_wait": "10s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                {"matchers": [f'{PRACTICE}!=""'], "receiver": practice, "group_wait": "0s"},
            ],
        },
        "receivers": receivers,
    }


def _slack(name: str, address: Path, *, resolved: bool) -> dict[str, Any]:
    channel = {
        "api_url_file": str(address),
        "send_resolved": resolved,
        "title": _TITLE,
        "title_link": "",
        "text": _TEXT,
        "fallback": _TITLE,
    }
    return {"name": name, "slack_configs": [channel]}


def write_prometheus(folder: Path, service: str, alertmanager: str) -> Path:
    """Write Prometheus' configuration of one machine into a folder, with its rules' place.

    Args:
        folder: Where it goes.
        service: The service as host:port.
        alertmanager: Alertmanager as host:port.
    """
    document = yaml.safe_load((_PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    document["rule_files"] = [str(_PROMETHEUS / "housing.rules.yml")]
    document["scrape_configs"][0]["static_configs"] = [{"targets": [service]}]
    document["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    path = folder.absolute() / "prometheus.yml"
    write_atomically(path, yaml.safe_dump(document, sort_keys=False).encode())
    return path


if __name__ == "__main__":
    write_alertmanager(Path(sys.argv[1]), Settings().notification_url)
