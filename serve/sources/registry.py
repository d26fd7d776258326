"""The model that an alias of MLflow's registry names, over the tracking server's REST API.

The version's tags tell the bundle's digest and its signature. The run behind it holds the bundle's
files as artifacts below `bundle/`, which the server hands out wherever it keeps them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import httpx
import msgspec
import stamina

from housing_ml.releases.channels import collect_bundle
from housing_ml.releases.records import Channels, Release, TrainingData
from housing_ml.storage.errors import ReleaseError
from serve.sources.remote import Remote, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Generator

    from serve.settings import Settings

_API = "api/2.0/mlflow"
_METRICS = frozenset({"rmse", "mae", "r2", "mape", "wmape", "coverage"})

T = TypeVar("T")


class _Tag(msgspec.Struct, frozen=True):
    key: str
    value: str


class _Metric(msgspec.Struct, frozen=True):
    key: str
    value: float


class _Version(msgspec.Struct, frozen=True):
    version: str
    run_id: str
    last_updated_timestamp: int
    """Milliseconds since 1970."""
    tags: list[_Tag] = []


class _VersionAnswer(msgspec.Struct, frozen=True):
    model_version: _Version


class _Data(msgspec.Struct, frozen=True):
    metrics: list[_Metric] = []


class _Run(msgspec.Struct, frozen=True):
    data: _Data


class _RunAnswer(msgspec.Struct, frozen=True):
    run: _Run


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token."""
        request.headers["Authorization"] = self._header
        yield request


def credentials(settings: Settings) -> httpx.Auth | None:
    """Return how the service proves to MLflow who it is; None where it need not."""
    if settings.registry_user and settings.registry_password:
        return httpx.BasicAuth(settings.registry_user, settings.registry_password)
    return _Bearer(settings.registry_token) if settings.registry_token else None


class RegistryAlias:
    """An alias of a registered model; see `serve.sources.sources.Source`."""

    name = "MLflow"

    def __init__(self, place: str, alias: str, auth: httpx.Auth | None = None) -> None:
        """Open `http://host:5000/<registered model>`."""
        url, _, self._model = place.rstrip("/").rpartition("/")
        self._alias = alias
        self._remote = Remote(self.name, url, auth)
        self._known: tuple[_Version, Release] | None = None

    @stamina.retry(on=UnreachableError, attempts=2, wait_initial=0.1)
    def latest(self) -> Channels:
        """Return the version that has the alias, as the channel of its name.

        Raises:
            UnreachableError: when the server does not tell.
            ReleaseError: when the version is not one that the pipeline registered.
        """
        # MLflow answers 404 when there is no such model, and 400 when it has no such alias.
        answer = self._remote.ask(
            "GET",
            f"{_API}/registered-models/alias",
            params={"name": self._model, "alias": self._alias},
            expect=(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST),
        )
        if not answer.is_success:
            return Channels()
        version = _decode(answer, _VersionAnswer).model_version
        if self._known is None or self._known[0] != version:
            self._known = version, self._release(version)
        return Channels(channels={self._alias: self._known[1]})

    @stamina.retry(on=UnreachableError, attempts=3, timeout=30.0, wait_initial=0.1)
    def fetch(self, release: Release) -> dict[str, bytes]:
        """Return the files of its bundle, by name, each checked against its digest."""
        run_id = str(release.run_id)
        return collect_bundle(lambda name: self._artifact(run_id, name), release.bundle)

    def _artifact(self, run_id: str, name: str) -> bytes | None:
        query = {"run_id": run_id, "path": f"bundle/{name}"}
        answer = self._remote.ask(
            "GET", "get-artifact", params=query, expect=(HTTPStatus.NOT_FOUND,)
        )
        return answer.content if answer.is_success else None

    def _release(self, version: _Version) -> Release:
        tags = {tag.key: tag.value for tag in version.tags}
        if "bundle_digest" not in tags:
            raise ReleaseError(f"version {version.version} of {self._model} has no bundle")
        updated = datetime.fromtimestamp(version.last_updated_timestamp / 1000, UTC)
        return Release(
            version=version.version,
            bundle=tags["bundle_digest"],
            model=tags.get("model", ""),
            metrics=self._metrics(version.run_id),
            data=TrainingData(
                digest=tags.get("data_digest", ""),
                rows=int(tags.get("rows", 0)),
                synthetic=tags.get("synthetic") == "true",
            ),
            registered_name=self._model,
            signature=tags.get("signature"),
            run_id=version.run_id,
            promoted_at=updated.isoformat(timespec="milliseconds"),
            promoted_by=self.name,
            reason=f"alias {self._alias}",
        )

    def _metrics(self, run_id: str) -> dict[str, float]:
        answer = self._remote.ask("GET", f"{_API}/runs/get", params={"run_id": run_id})
        metrics = _decode(answer, _RunAnswer).run.data.metrics
        return {metric.key: metric.value for metric in metrics if metric.key in _METRICS}


def _decode(answer: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreachableError(f"MLflow answers what is not understood: {error}") from error
