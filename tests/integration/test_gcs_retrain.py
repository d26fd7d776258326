"""The main job with everything in a bucket: data, results, bundles and releases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from prefect_gcp import GcpCredentials, GcsBucket

from housing_ml.releases.channels import fetch_bundle, open_releases, read_channels
from housing_ml.settings import Settings
from housing_ml.storage.errors import StorageError
from housing_ml.storage.places import open_place
from housing_ml.storage.store import open_store
from tests.flows.test_retrain import FEW, STAGES, Run, small
from tests.integration.gcs_emulator import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from tests.integration.gcs_emulator import Emulator

# prefect-gcp leaves its clients' connections to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]


@pytest.fixture(scope="module")
def home(
    gcs: Emulator,
    prefect_server: str,
    housing_frame: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A home folder whose storage is a block registered on the server."""
    assert prefect_server
    path = tmp_path_factory.mktemp("home")
    sample = path.with_suffix(".csv")
    housing_frame.sample(1_500, random_state=7).to_csv(sample, index=False)
    credentials: Any = GcpCredentials(service_account_info=gcs.service_account)
    block = GcsBucket(bucket=BUCKET, gcp_credentials=credentials, bucket_folder="platform")
    block.save("test-retrain", overwrite=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOUSING_HOME", str(path))
        patch.setenv("HOUSING_DATA_URL", str(sample))
        patch.setenv("HOUSING_STORAGE_BLOCK", "gcs-bucket/test-retrain")
        patch.setenv("WANDB_MODE", "disabled")
        patch.chdir(path)
        yield path
    open_place.cache_clear()


@pytest.fixture(scope="module")
def first(home: Path) -> Run:
    """The first run from nothing."""
    assert not list(home.iterdir())
    return Run(small(**FEW))


def test_the_first_run_computes_every_stage_and_publishes_in_the_bucket(
    first: Run, gcs: Emulator, home: Path
) -> None:
    assert first.computed == STAGES
    assert first.result.promoted
    channels, _ = read_channels(open_releases(Settings()))
    live = channels.channels["champion"]
    assert live.bundle == first.result.bundle
    assert set(fetch_bundle(open_releases(Settings()), live.bundle)) >= {"manifest.json"}
    folders = {"/".join(name.split("/")[:2]) for name in gcs.objects()}
    assert {"platform/data", "platform/results", "platform/releases"} <= folders
    assert not (home / "storage").exists()


@pytest.mark.usefixtures("first")
def test_a_second_run_finds_every_stage_cached_and_reads_digests_but_no_data(
    gcs: Emulator,
) -> None:
    Run(small(**FEW))  # holds the source against the new champion's world, once
    gcs.requests.clear()
    again = Run(small(**FEW))
    assert again.computed == []
    read = [request for request in gcs.requests if re.search("^GET .*/download/", request)]
    assert not [request for request in read if not re.search(r"results%2F|releases|\.png", request)]
    assert gcs.asked()["look"] > 10


@pytest.mark.usefixtures("first")
def test_a_deleted_table_is_computed_again(gcs: Emulator) -> None:
    train = max(
        (name for name in gcs.objects() if name.endswith(".parquet")),
        key=lambda name: int(gcs.storage.objects[BUCKET][name]["size"]),
    )
    gcs.storage.delete_file(BUCKET, train)
    assert Run(small(**FEW)).computed == ["ingestion"]
    assert train in gcs.objects()


def test_a_run_through_faults_ends_well(first: Run, gcs: Emulator) -> None:
    gcs.fail("away", "^GET .*%2Fdata%2F", times=2)
    gcs.fail("truncated", "^GET /download/.*parquet")
    gcs.fail("reset", "^GET", times=2)
    gcs.fail("unauthorized", "^GET .*%2Fdata%2F")
    gcs.fail("answer lost", "^POST .*/upload/")
    again = Run(small(**FEW), refresh=True)
    assert again.computed == STAGES
    assert again.result.bundle == first.result.bundle
    assert not gcs.faults


@pytest.mark.usefixtures("home")
def test_an_unknown_block_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_STORAGE_BLOCK", "gcs-bucket/nowhere")
    with pytest.raises(
        StorageError, match=r"nowhere: .* register it with .housing blocks register"
    ):
        open_store(Settings())
