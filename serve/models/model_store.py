"""The models that answer: follow the release channels, let a bundle prove itself, swap it in.

One thread does all of it. Requests read one attribute, `current`, which changes as a whole; so a
source that is slow or dead adds nothing to a prediction, and no answer mixes two models. Whatever
fails, the model that answers goes on. Beside the champion it loads a canary and a shadow, while
there are any, and hands them to `Probations`.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec
import structlog

from housing_ml.bundle import memory
from housing_ml.bundle.manifest import BundleError
from housing_ml.releases.records import Channels
from housing_ml.rollout.observations import guard_name
from housing_ml.storage.errors import ReleaseError
from serve.models.loaded_model import LoadedModel, Rejected, check_signature, proven
from serve.schemas import Dependency
from serve.sources.circuit_breaker import CircuitBreaker, CircuitOpenError
from serve.sources.deadline import Deadline
from serve.telemetry.traces import step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from housing_ml.bundle.model import Bundle
    from housing_ml.releases.records import Release
    from serve.models.last_good import LastGood
    from serve.settings import Settings
    from serve.sources.sources import Source
    from serve.telemetry.metrics import Metrics
    from serve.telemetry.traces import Traces

_FIRST_LOOK_SECONDS = 1.0
"""A source that takes longer at the start is overtaken by the last good bundle."""

_LATEST_SECONDS = 5.0
_FETCH_SECONDS = 60.0
"""A source that takes longer for one answer has failed."""

_KEEP_AGAIN_SECONDS = 5.0
_HELD_SECONDS = 2.0
"""After this time no request holds a model that was unloaded, and its memory can go."""

_CHAMPION = "champion"
_BESIDE = ("previous", "canary", "shadow")
"""Channels whose models run beside the champion; the previous one while the guard lasts."""

T = TypeVar("T")

logger = structlog.get_logger(__name__)


class Probations(Protocol):
    """What runs beside the champion, and is told of each model that is loaded or forgotten."""

    def follow(self, champion: LoadedModel | None, beside: Mapping[str, LoadedModel]) -> None:
        """Let the probations be of these models."""
        ...

    def dependency(self, channel: str) -> Dependency | None:
        """Return how the probation of a channel does; None when there is none."""
        ...


class ModelStore:
    """Holds the current model, those on probation, and the thread that renews them."""

    def __init__(
        self,
        source: Source,
        last_good: LastGood,
        probations: Probations,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self.spans: Traces | None = None
        self.current: LoadedModel | None = None
        self._channel = settings.channel
        self._channels = (_CHAMPION, *_BESIDE) if self._channel == _CHAMPION else (self._channel,)
        self._beside: dict[str, LoadedModel] = {}
        self._probations = probations
        self._unloaded_at: float | None = None
        self._keys = settings.public_keys
        self._same_code = settings.require_same_code
        self._source = source
        self._document = Channels()
        self._unkept = ""
        self._keep_again_at = 0.0
        self._last_good = last_good
        self._metrics = metrics
        self._poll_seconds = settings.poll_seconds
        self._breaker = CircuitBreaker(
            source.name, alive=(ReleaseError,), observe=metrics.source_asked
        )
        self._deadline = Deadline()
        self._rejected = {channel: Rejected() for channel in self._channels}
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
        """Return how the source and the releases were when they were last used."""
        found = {
            self._source.name: self._breaker.dependency(),
            "model": self._state(self._channel) or Dependency("degraded", "nothing published"),
        }
        if self._unkept:
            found["last good bundle"] = Dependency("degraded", self._unkept)
        beside = {channel: self._state(channel) for channel in self._channels[1:]}
        return found | {channel: state for channel, state in beside.items() if state}

    def _state(self, channel: str) -> Dependency | None:
        rejected, loaded = self._rejected[channel].error, self._loaded(channel)
        if rejected:
            return Dependency("degraded", rejected)
        if loaded is None:
            return None
        if channel == self._channel:
            return Dependency("ok", loaded.note(f"version {loaded.version} answers"))
        probation = self._probations.dependency(channel)
        return probation and msgspec.structs.replace(
            probation, detail=loaded.note(probation.detail)
        )

    def _loaded(self, channel: str) -> LoadedModel | None:
        return self.current if channel == self._channel else self._beside.get(channel)

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
            self._document = self._ask(self._source.latest, _LATEST_SECONDS)
            self._renew(_to_load(self._document))
            if self._unkept and self.current and time.monotonic() >= self._keep_again_at:
                self._keep(self.current)
        except CircuitOpenError:
            return
        except Exception as error:  # noqa: BLE001 - a source may fail in any way
            if not failed_before:
                logger.warning("source_failing", source=self._source.name, error=str(error))

    def _ask(self, function: Callable[[], T], seconds: float) -> T:
        with step("storage"):
            return self._breaker.call(lambda: self._deadline.call(function, seconds))

    def _renew(self, releases: Mapping[str, Release]) -> None:
        """End the probations that are over, then load what is new: the champion first."""
        if self._unloaded_at and time.monotonic() - self._unloaded_at > _HELD_SECONDS:
            self._unloaded_at = None
            memory.give_back()
        models = [self.current, *self._beside.values()]
        at_hand = {model.release.bundle: model.bundle for model in models if model}
        for channel in self._channels[1:]:
            if channel not in releases:
                self._rejected[channel].clear()
                self._end(channel)
        for channel in self._channels:
            release, loaded = releases.get(channel), self._loaded(channel)
            if release is None or (loaded and loaded.release == release):
                continue
            if not self._rejected[channel].waits(release):
                self._try(channel, release, at_hand.get(release.bundle))

    def _end(self, channel: str) -> None:
        ended = self._beside.pop(channel, None)
        if ended:
            self._unloaded_at = time.monotonic()
            self._metrics.model.labels(ended.version, channel).set(0)
            self._probations.follow(self.current, self._beside)
            logger.info("probation_ended", channel=channel, version=ended.version)

    def _try(self, channel: str, release: Release, at_hand: Bundle | None) -> None:
        started = time.perf_counter()
        try:
            check_signature(release, channel, self._document, self._keys)
            with self.spans.load() if self.spans else nullcontext():
                bundle = at_hand or self._fetch(release)
        except (BundleError, ReleaseError) as error:
            self._rejected[channel].add(release, str(error))
            self._metrics.reloads.labels("rejected").inc()
            logger.error(  # noqa: TRY400 - the error says all
                "release_rejected", channel=channel, version=release.version, error=str(error)
            )
            self._end(channel)
            return
        model = LoadedModel.now(bundle, release, channel, self._source.name)
        self._swap(model)
        seconds = round(time.perf_counter() - started, 3)
        logger.info(
            "model_loaded",
            channel=channel,
            version=release.version,
            source=self._source.name,
            seconds=seconds,
        )
        if channel == self._channel:
            self._keep(model)

    def _fetch(self, release: Release) -> Bundle:
        files = self._ask(lambda: self._source.fetch(release), _FETCH_SECONDS)
        return proven(files, release, same_code=self._same_code)

    def _keep(self, model: LoadedModel) -> None:
        try:
            self._last_good.save(model.bundle, model.release, self._document)
        except (BundleError, OSError) as error:
            if not self._unkept:
                logger.warning("last_good_not_saved", version=model.version, error=str(error))
            self._unkept = str(error)
            self._keep_again_at = time.monotonic() + _KEEP_AGAIN_SECONDS
            return
        if self._unkept:
            logger.info("last_good_saved", version=model.version)
        self._unkept = ""

    def _load_last_good(self) -> None:
        try:
            found = self._last_good.load()
            if found:
                check_signature(found[1], self._channel, found[2], self._keys)
        except (BundleError, ReleaseError, OSError, msgspec.MsgspecError) as error:
            logger.error("last_good_unusable", error=str(error))  # noqa: TRY400 - the error says all
            return
        if found and self.current is None:
            source = "last good bundle on this machine"
            self._swap(LoadedModel.now(*found[:2], self._channel, source))
            logger.warning("last_good_answers", version=found[1].version)

    def _swap(self, model: LoadedModel) -> None:
        before = self._loaded(model.channel)
        if model.channel == self._channel:
            self.current = model
        else:
            self._beside[model.channel] = model
        self._probations.follow(self.current, self._beside)
        if model.bundle.other_code:
            logger.warning(
                "other_feature_code",
                channel=model.channel,
                version=model.version,
                detail=model.bundle.other_code,
            )
        self._rejected[model.channel].clear()
        self._metrics.reloads.labels("loaded").inc()
        if before:
            self._unloaded_at = time.monotonic()
            self._metrics.model.labels(before.version, model.channel).set(0)
        self._metrics.model.labels(model.version, model.channel).set(1)


def _to_load(document: Channels) -> Mapping[str, Release]:
    """Return the releases by channel: the previous one only while the guard needs it."""
    if guard_name(document, datetime.now(UTC)):
        return document.channels
    return {name: release for name, release in document.channels.items() if name != "previous"}
