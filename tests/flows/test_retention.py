"""The clean-up as a flow: Prefect's own runs of this platform go by age, others' stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import yaml
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Completed

from flows.retention import FLOWS, retention
from housing_ml.config.retention import RetentionConfig
from housing_ml.orchestration.runs import session
from housing_ml.retention.prefect_runs import old_flow_runs
from housing_ml.retention.summary import sentence
from tests.documents import ROOT
from tests.run_page import newest_page

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@flow(name="monitor")
def ours() -> None:
    """A flow of one of this platform's names."""


@flow(name="somebody-elses")
def theirs() -> None:
    """A flow that this platform knows nothing of."""


def test_runs_of_this_platform_go_by_age_and_others_stay(
    prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prefect_server
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path))
    later = datetime.now(UTC) + timedelta(days=100)
    with get_client(sync_client=True) as client, session():
        runs = [client.create_flow_run(flow, name=uuid4().hex) for flow in (ours, theirs, ours)]
        for run in runs[:2]:
            client.set_flow_run_state(run.id, Completed(), force=True)
        gone, foreign, unfinished = (str(run.id) for run in runs)
        report = retention(RetentionConfig(), delete=True)
        name, page = newest_page()
        found = old_flow_runs(FLOWS, later, RetentionConfig())
        assert gone in found.names
        found.delete([gone])
        left = {str(run.id) for run in client.read_flow_runs()}

    assert name.startswith("retention by ")
    assert page[0] == f"**{sentence(report)}**"
    assert page[1].startswith(f"![{sentence(report)}](data:image/png;base64,")
    assert report.parts[-1].name == "Prefect's runs"
    assert gone not in {*report.parts[-1].names, *left}
    assert not {foreign, unfinished} & set(found.names)
    assert left >= {foreign, unfinished}


def test_it_knows_all_flows_of_the_deployments() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    entrypoints = {item["entrypoint"].rpartition(".")[2] for item in deployments}

    assert {name.replace("_", "-") for name in entrypoints} == set(FLOWS)
