"""The model that answers: follow the release channel, let a bundle prove itself, swap it in.

One thread does all of it. Requests read one attribute, `current`, which changes as a whole; so a
source that is slow or dead adds nothing to a prediction, and no answer mixes two models. Whatever
fails, the model that answers goes on.
"""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec
import structlog

from housing_ml.bundle import Bundle, BundleError
from housing_ml.releases import Release, ReleaseError
from housing_ml.signing import verify
from serve.circuit_breaker import CircuitBreaker, CircuitOpenError
from serve.deadline import Deadline
from serve.schemas import Dependency, ModelResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from serve.last_good import LastGood
    from serve.metrics import Metrics
    from serve.settings import Settings
    from serve.sources import Source

_FIRST_LOOK_SECONDS = 1.0
"""A source that takes longer at the start is overtaken by the last good bundle."""

_LATEST_SECONDS = 5.0
_FETCH_SECONDS = 60.0
"""A source that takes longer for one answer has failed."""

_REJECTED_SECONDS = (5.0, 60.0)
"""A rejected release is tried again after the first pause, which doubles up to the second."""

T = TypeVar("T")

logger = structlog.get_logger(__name__)


class LoadedModel(msgspec.Struct, frozen=True):
    """A bundle that has proved itself, and the release that it is of."""

    bundle: Bundle
    release: Release
    channel: str
    loaded_at: str
    loaded_from: str

    @property
    def version(self) -> str:
        """The registry's version."""
        return self.release.version

    def describe(self) -> ModelResponse:
        """Return what the API tells of it."""
        manifest = self.bundle.manifest
        return ModelResponse(
            model_version=self.version,
            channel=self.channel,
            bundle_digest=self.release.bundle,
            metrics=self.release.metrics,
            data_digest=manifest.provenance.data_digest,
            synthetic=manifest.provenance.synthetic,
            feature_fingerprint=manifest.feature_fingerprint,
            loaded_at=self.loaded_at,
            loaded_from=self.loaded_from,
        )


class ModelStore:
    """Holds the current model and the thread that renews it."""

    def __init__(
        self,
        source: Source,
        last_good: LastGood,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self.current: LoadedModel | None = None
        self._channel = settings.channel
        self._keys = settings.public_keys
        self._source = source
        self._last_good = last_good
        self._metrics = metrics
        self._poll_seconds = settings.poll_seconds
        self._breaker = CircuitBreaker(source.name, alive=(ReleaseError,))
        self._deadline = Deadline()
        self._rejected = _Rejected()
        self._woken = threading.Event()
        self._looked = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._follow, name="model-store", daemon=True)

    def start(self) -> None:
        """Start to follow the channel; return with a model, or without when there is none."""
        self._thread.start()
        self._looked.wait(_FIRST_LOOK_SECONDS)
        if self.current is None:
            self._load_last_good()

    def stop(self, patience: float = 1.0) -> None:
        """Stop to follow; a look that is under way is given `patience` seconds."""
        self._stopping = True
        self._woken.set()
        self._thread.join(patience)

    def wake(self) -> None:
        """Look for a new release now."""
        self._woken.set()

    def dependencies(self) -> dict[str, Dependency]:
        """Return how the source and the release were when they were last used."""
        error = self._breaker.last_error
        seconds = self._breaker.last_seconds
        release = self._rejected.error or (
            f"version {self.current.version} answers" if self.current else "nothing published"
        )
        degraded = self.current is None or self._rejected.error is not None
        return {
            self._source.name: Dependency(
                "degraded" if error else "ok",
                f"circuit {self._breaker.state}" + (f": {error}" if error else ""),
                None if seconds is None else round(1000 * seconds, 3),
            ),
            "model": Dependency("degraded" if degraded else "ok", release),
        }

    def _follow(self) -> None:
        while not self._stopping:
            try:
                self._look()
            except Exception:  # the thread must live
                logger.exception("model_store_error")
            self._looked.set()
            self._woken.wait(self._poll_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            self._woken.clear()

    def _look(self) -> None:
        failed_before = self._breaker.last_error is not None
        try:
            release = self._ask(self._source.latest, _LATEST_SECONDS)
            if release and not self._is_current(release) and not self._rejected.waits(release):
                self._try(release)
        except CircuitOpenError:
            return
        except Exception as error:  # noqa: BLE001 - a source may fail in any way
            if not failed_before:
                logger.warning("source_failing", source=self._source.name, error=str(error))

    def _ask(self, function: Callable[[], T], seconds: float) -> T:
        return self._breaker.call(lambda: self._deadline.call(function, seconds))

    def _is_current(self, release: Release) -> bool:
        return self.current is not None and self.current.release == release

    def _try(self, release: Release) -> None:
        started = time.perf_counter()
        try:
            files = self._ask(lambda: self._source.fetch(release), _FETCH_SECONDS)
            bundle = _proven(files, release, self._keys)
        except (BundleError, ReleaseError) as error:
            self._rejected.add(release, str(error))
            self._metrics.reloads.labels("rejected").inc()
            logger.error("release_rejected", version=release.version, error=str(error))  # noqa: TRY400
            return
        self._swap(bundle, release, self._source.name)
        seconds = round(time.perf_counter() - started, 3)
        logger.info(
            "model_loaded", version=release.version, source=self._source.name, seconds=seconds
        )
        try:
            self._last_good.save(bundle, release)
        except (BundleError, OSError) as error:
            logger.warning("last_good_not_saved", version=release.version, error=str(error))

    def _load_last_good(self) -> None:
        try:
            found = self._last_good.load()
            if found and self._keys:
                verify(found[1].bundle, found[1].signature, self._keys)
        except (BundleError, OSError, msgspec.MsgspecError) as error:
            logger.error("last_good_unusable", error=str(error))  # noqa: TRY400 - the error says all
            return
        if found and self.current is None:
            bundle, release = found
            self._swap(bundle, release, "last good bundle on this machine")
            logger.warning("last_good_answers", version=release.version)

    def _swap(self, bundle: Bundle, release: Release, source: str) -> None:
        before = self.current
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.current = LoadedModel(bundle, release, self._channel, now, source)
        self._rejected.clear()
        self._metrics.reloads.labels("loaded").inc()
        if before:
            self._metrics.model.labels(before.version, self._channel).set(0)
        self._metrics.model.labels(release.version, self._channel).set(1)


class _Rejected:
    """The release that failed to prove itself, and when to try it again."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.error: str | None = None
        self._release: Release | None = None
        self._tries = 0
        self._next_try = 0.0

    def add(self, release: Release, error: str) -> None:
        self._tries = self._tries + 1 if release == self._release else 1
        self._release = release
        self.error = f"version {release.version} was rejected: {error}"
        first, longest = _REJECTED_SECONDS
        self._next_try = time.monotonic() + min(longest, first * 2 ** (self._tries - 1))

    def waits(self, release: Release) -> bool:
        return release == self._release and time.monotonic() < self._next_try


def _proven(files: dict[str, bytes], release: Release, keys: list[str]) -> Bundle:
    """Return the release's bundle after every check, with each of its paths used once.

    Raises:
        BundleError: when it is not what was released, not signed by one of the keys where there are
            any, or does not compute what training did.
    """
    if keys:
        verify(release.bundle, release.signature, keys)
    bundle = Bundle(files)
    if bundle.digest != release.bundle:
        raise BundleError(f"the bundle is {bundle.digest}, not {release.bundle}")
    golden = bundle.golden.raw
    bundle.predict_matrix(golden[:1])
    bundle.predict_matrix(golden.repeat(-(-512 // len(golden)), axis=0))
    bundle.warnings_for(golden[:1])
    return bundle
