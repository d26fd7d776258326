"""What an operator may set of the service, from the environment: `HOUSING_SERVE_<NAME>`.

Read by msgspec and not by pydantic-settings, whose import alone costs a quarter of a second.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "HOUSING_SERVE_"
_SHARED = {
    "signing_key": "HOUSING_SIGNING_KEY",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "require_same_code": "HOUSING_REQUIRE_SAME_CODE",
    "registry_token": "MLFLOW_TRACKING_TOKEN",
    "registry_user": "MLFLOW_TRACKING_USERNAME",
    "registry_password": "MLFLOW_TRACKING_PASSWORD",
}
"""Settings that have a name of others too."""
_SHA256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Secret = Annotated[str, Meta(min_length=16)]
_Count = Annotated[int, Meta(ge=1)]
_OWN_PATHS = ("/api", "/assets", "/docs", "/health", "/metrics", "/operat", "/places", "/v2")
_Positive = Annotated[float, Meta(gt=0)]


class SettingsError(ValueError):
    """A setting that cannot be used; the message names the variable and what it needs."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's settings; every worker of a service has the same."""

    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    workers: _Count = 1
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    releases: str = ".housing/storage/releases"
    """Where releases are published, and the prediction log and feedback go: a folder, or
    `gs://bucket/folder` with the machine's credentials.

    Where the pipeline publishes them, below `HOUSING_HOME`, unless set."""
    registry: str | None = None
    """A model in MLflow's registry, `http://host:5000/housing-price`: its alias of the channel's
    name is followed, and not the channel in the releases."""
    registry_token: str | None = None
    """Bearer token for MLflow. `MLFLOW_TRACKING_TOKEN`, unless set."""
    registry_user: str | None = None
    """Name for MLflow's basic authentication. `MLFLOW_TRACKING_USERNAME`, unless set."""
    registry_password: str | None = None
    """Its password. `MLFLOW_TRACKING_PASSWORD`, unless set."""
    channel: str = "champion"
    state: Path = Path(".housing/service")
    """Folder of this machine's own state: the last good bundles, the segments of the log.

    `service` below `HOUSING_HOME`, unless set."""
    poll_seconds: _Positive = 1.0
    require_same_code: bool = False
    """Refuse a bundle that other feature code made, though it repeats its golden rows here.

    `HOUSING_REQUIRE_SAME_CODE`, unless set."""
    public_keys: list[str] = []
    """Public Ed25519 keys in base64; with any, only what one of them signed is served. While a key
    is replaced, the service knows both."""
    signing_key: str | None = None
    """Private Ed25519 key in base64, with which a roll back over the API signs the channels.

    `HOUSING_SIGNING_KEY`, unless set."""
    webhook_secret: str | None = None
    """Shared with MLflow's webhook (or another sender) that announces a promotion."""

    api_keys: dict[str, _SHA256] = {}
    """SHA-256 of each caller's key: `name:digest,name:digest`."""
    operator_keys: dict[str, _SHA256] = {}
    """The same of those who may roll back, promote, abort and look up predictions over the API;
    without any, nobody may."""
    feedback_keys: list[_Secret] = []
    """Secrets of 16 characters or more that prove the prediction ids: the first issues them, and
    all are known, so that a key can be replaced. Without any, the replicas share a random one in
    the release storage."""
    feedback_per_day: _Count = 100_000
    """Actual prices that each caller may send in a day in UTC to each worker."""
    requests_per_second: Annotated[float, Meta(ge=0)] = 0.0
    """Sustained rate that each key may ask for, over all workers of a machine; 0 is no limit."""
    cors_origins: list[str] = []
    body_limit: _Count = 1_048_576
    """Longest request body in bytes."""
    client_seconds: _Positive = 10.0
    """Time that a client has for the head of a request, and again for its body."""
    idle_seconds: _Positive = 620.0
    """Time that a connection may idle between two requests: longer than a load balancer keeps its
    own (AWS 60 s, Google Cloud 600 s). Where the service closes first, a request that is under way
    meets a closed connection, and the balancer answers 502."""
    connections: _Count = 1000
    """Open connections of each worker; fewer where the process may not open as many files."""
    connections_per_peer: _Count = 500
    """Those of one address; half of all at the most. Named proxies may have all."""
    trusted_proxies: list[str] = []
    """Addresses and networks of proxies whose `X-Forwarded-For` names the caller; nobody else's
    does."""

    root_path: Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    """Path below which a proxy shows the service, such as `/housing`; it may strip it or not.
    `X-Forwarded-Prefix` of a named proxy goes first."""

    otlp_endpoint: str | None = None
    """Collector of traces, such as `http://127.0.0.1:4318`; needs the extra `traces`.

    `OTEL_EXPORTER_OTLP_ENDPOINT`, unless set."""
    trace_share: Annotated[float, Meta(ge=0, le=1)] = 0.01
    """Of the requests without a `traceparent`, how many are recorded; the others as their caller
    says."""

    prediction_log: bool = True
    log_queue: _Count = 100_000
    """Predictions that may wait to be logged; more are counted and not logged."""
    log_flush_seconds: _Positive = 0.5
    """`kill -9` loses at most what was predicted in this time."""
    log_segment_seconds: _Positive = 300.0
    """A segment is moved to storage as Parquet when it is this old."""


def from_environment(environ: Mapping[str, str | None] | None = None) -> Settings:
    """Return the settings that `environ` gives: by default `.env` and the environment over it.

    Raises:
        SettingsError: when a value does not fit, or a production service would be open to all.
    """
    environ = {**dotenv_values(".env"), **os.environ} if environ is None else environ
    home = Path(environ.get("HOUSING_HOME") or ".housing")
    given: dict[str, Any] = {
        "releases": str(home / "storage" / "releases"),
        "state": home / "service",
    }
    for field in msgspec.structs.fields(Settings):
        name = PREFIX + field.name.upper()
        common = _SHARED.get(field.name, "")
        if text := (environ.get(name) or environ.get(common) or "").strip():
            given[field.name] = _convert(field, text)
    settings = Settings(**given)
    _check_places(settings)
    _check_proxies(settings)
    if settings.root_path.startswith(_OWN_PATHS):
        raise SettingsError(
            f"{PREFIX}ROOT_PATH: {settings.root_path} is a path of the service's own"
        )
    if settings.environment == "production" and not settings.api_keys:
        raise SettingsError(
            f"{PREFIX}ENVIRONMENT is production, so {PREFIX}API_KEYS is needed: "
            "name:SHA-256 of the key, several separated by commas"
        )
    return settings


def _check_places(settings: Settings) -> None:
    """See that the places are of kinds that there are: a typing error is no outage."""
    if not re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]+(/.*)?|(?!\w+://).+", settings.releases):
        raise SettingsError(
            f"{PREFIX}RELEASES: {settings.releases} is neither a folder nor gs://bucket/folder"
        )
    if settings.registry and not re.fullmatch(r"https?://.+/[^/]+/?", settings.registry):
        raise SettingsError(f"{PREFIX}REGISTRY: {settings.registry} is not http://host:5000/model")


def _check_proxies(settings: Settings) -> None:
    for name in settings.trusted_proxies:
        try:
            ip_network(name, strict=False)
        except ValueError:
            raise SettingsError(
                f"{PREFIX}TRUSTED_PROXIES: {name} is neither an address nor a network"
            ) from None


def _convert(field: msgspec.structs.FieldInfo, text: str) -> Any:
    try:
        return msgspec.convert(
            _split(field.name, text), field.type, strict=False, dec_hook=lambda kind, raw: kind(raw)
        )
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{field.name.upper()}: {error}") from None


def _split(name: str, text: str) -> Any:
    if name in {"cors_origins", "public_keys", "trusted_proxies", "feedback_keys"}:
        return [part.strip() for part in text.split(",")]
    if name in {"api_keys", "operator_keys"}:
        pairs = [part.strip().rpartition(":") for part in text.split(",")]
        return {owner: digest for owner, _, digest in pairs}
    return text.rstrip("/") if name == "root_path" else text
