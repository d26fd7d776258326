"""Runs have names that mean something: what, by whom, when; a person's own name stays."""

from __future__ import annotations

import getpass
import re

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.runtime import flow_run

from flows.naming import run_name


@flow(name="a-flow", flow_run_name=run_name, persist_result=False)
def named() -> str:
    return str(flow_run.get_name())


@pytest.mark.usefixtures("prefect_server")
def test_a_run_says_what_it_is_who_started_it_and_when() -> None:
    wanted = rf"a-flow by {getpass.getuser()}, \d{{4}}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.fullmatch(wanted, named())


@pytest.mark.usefixtures("prefect_server")
def test_a_name_that_a_person_gave_stays() -> None:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(named, name="before the holidays")
    assert run_flow(named, flow_run=run) == "before the holidays"
