"""Releases as flows on a real Prefect server: roll back, and canaries that end by themselves."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from flows.release import promote, roll_back, run_canary_watch
from housing_ml.bundle.manifest import sha256
from housing_ml.orchestration.runs import session
from housing_ml.releases.channels import history, publish_bundle, read_channels, record_release
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.rollout.canary import start_canary
from housing_ml.rollout.counts import Arm, Observation
from housing_ml.rollout.decision import WatchPolicy
from housing_ml.rollout.observations import probation_name, report
from housing_ml.rollout.pairs import Cluster
from housing_ml.settings import Settings
from housing_ml.storage.versioned import LocalReleases
from tests.untrained_bundle import bundle_files
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

POLICY = WatchPolicy(look_seconds=0.2)


@pytest.fixture(scope="module")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def releases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_uri: str, prefect_server: str
) -> LocalReleases:
    """Releases with version 2 in service, version 1 before it, and a published version 3."""
    assert prefect_server
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path))
    monkeypatch.setenv("HOUSING_MLFLOW_TRACKING_URI", mlflow_uri)
    storage = LocalReleases(Settings().releases_path)
    for version in "123":
        publish_version(storage, version)
    with session(verbose=True):
        for version in "12":
            promote(version, why="better", by="ann")
    return storage


def publish_version(storage: LocalReleases, version: str) -> None:
    files = bundle_files(version)
    release = Release(
        version=version,
        bundle=sha256(files["manifest.json"]),
        model="ridge",
        metrics={"rmse": 1.0},
        data=TrainingData(digest="d", rows=1, synthetic=False),
        promoted_at=now(),
        promoted_by="ann",
        reason="better",
    )
    publish_bundle(storage, release.bundle, files)
    record_release(storage, release)


def versions(storage: LocalReleases) -> dict[str, str]:
    channels, _ = read_channels(storage)
    return {name: release.version for name, release in channels.channels.items()}


class Worker:
    """A service that counts requests, of which the canary gets a tenth, until it is gone."""

    def __init__(self, storage: LocalReleases, **fault: float) -> None:
        self._storage = storage
        self._fault = fault
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        total = 0
        while not self._stop.is_set():
            probation = probation_name(read_channels(self._storage)[0])
            if probation is None:
                return
            total += 200
            seen = Observation(canary=Arm(requests=total), pairs={"": self._pairs(total // 20)})
            report(self._storage, probation, "worker", seen)
            time.sleep(0.05)

    def _pairs(self, requests: int) -> dict[str, Cluster]:
        """What twenty customers asked so often, and both models made of it."""
        cluster = Cluster(
            requests=requests,
            failed=int(self._fault.get("errors", 0) * requests),
            slow=int(self._fault.get("slow", 0) * requests),
            priced=requests,
            log_ratio=requests * self._fault.get("shift", 0.0),
        )
        return {f"{number}": cluster for number in range(20)}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"errors": 0.2}, "failed requests"),
        ({"slow": 0.5}, "slow requests"),
        ({"shift": 0.69}, "prices"),
    ],
)
def test_a_bad_canary_is_aborted_by_itself(
    releases: LocalReleases, fault: dict[str, float], reason: str
) -> None:
    start_canary(releases, "3", 0.1, why="try", by="ann")
    with Worker(releases, **fault):
        result = run_canary_watch(POLICY, verbose=True)

    assert result.outcome == "aborted"
    assert result.reasons[0].startswith(reason)
    assert versions(releases) == {"champion": "2", "previous": "1"}
    channels, _ = read_channels(releases)
    assert result.reasons[0] in next(iter(channels.withdrawn.values()))


def test_a_good_canary_becomes_champion_with_its_evidence_in_the_history(
    releases: LocalReleases,
) -> None:
    start_canary(releases, "3", 0.1, why="try", by="ann")
    with Worker(releases):
        result = run_canary_watch(POLICY, verbose=True)

    assert result.outcome == "promoted"
    assert versions(releases) == {"champion": "3", "previous": "2"}
    event = history(releases)[-1]
    assert (event.kind, event.by) == ("promotion", "canary watch")
    assert event.evidence["requests"] == result.requests > 0


def test_a_watch_ends_when_someone_else_ends_the_canary(releases: LocalReleases) -> None:
    assert run_canary_watch(POLICY, verbose=True).outcome == "ended by someone else"
    assert versions(releases)["champion"] == "2"


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_decides_in_the_ui_where_the_policy_asks(
    releases: LocalReleases, prefect_server: str, *, answer: bool
) -> None:
    start_canary(releases, "3", 0.1, why="try", by="ann")
    with Worker(releases), ThreadPoolExecutor() as pool:
        answered = pool.submit(answer_when_asked, prefect_server, answer=answer)
        policy = POLICY.model_copy(update={"when_good": "ask"})
        result = run_canary_watch(policy, verbose=True)
        answered.result()

    assert result.outcome == ("promoted" if answer else "aborted")
    assert versions(releases)["champion"] == ("3" if answer else "2")
    assert history(releases)[-1].by == "bob"


def answer_when_asked(url: str, *, answer: bool) -> None:
    """Resume the paused run; Prefect rejects that until it has stored the form to be filled."""
    paused = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
    given = {"run_input": {"promote": answer, "by": "bob"}}
    with httpx.Client(base_url=f"{url}/", trust_env=False) as client:

        def taken() -> bool:
            runs = json_of(client.post("flow_runs/filter", json=paused)) or []
            answers = (client.post(f"flow_runs/{run['id']}/resume", json=given) for run in runs)
            return any((json_of(found) or {}).get("status") == "ACCEPT" for found in answers)

        until(taken)


def json_of(response: httpx.Response) -> Any:
    """What Prefect answered, or None while its database is busy, when it answers 503."""
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return None
    return response.raise_for_status().json()


def test_a_roll_back_as_a_flow(releases: LocalReleases) -> None:
    with session(verbose=True):
        assert roll_back(why="wrong", by="ann") == "1"
    assert versions(releases) == {"champion": "1"}
    assert history(releases)[-1].kind == "rollback"
