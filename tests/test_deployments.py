"""What `prefect.yaml` promises: deployments that can be loaded, with help for people."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.flows import Flow

from deployments.pools import WORKERS

DOCUMENT = yaml.safe_load((Path(__file__).parents[1] / "prefect.yaml").read_text())
DEPLOYMENTS: dict[str, dict[str, Any]] = {item["name"]: item for item in DOCUMENT["deployments"]}


def flow_of(deployment: dict[str, Any]) -> Flow[Any, Any]:
    module, _, name = deployment["entrypoint"].rpartition(".")
    found = getattr(import_module(module), name)
    assert isinstance(found, Flow)
    return found


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_has_a_flow_a_description_tags_and_a_known_pool(name: str) -> None:
    deployment = DEPLOYMENTS[name]

    assert flow_of(deployment).name in name
    assert deployment["description"]
    assert "housing" in deployment["tags"]
    assert deployment["work_pool"]["name"] in WORKERS
    assert deployment["enforce_parameter_schema"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_field_of_its_form_has_a_help_text(name: str) -> None:
    schema = flow_of(DEPLOYMENTS[name]).parameters.model_dump()

    for parameter in schema["properties"].values():
        assert parameter.get("description"), parameter
    for model in schema["definitions"].values():
        for field, described in model.get("properties", {}).items():
            nested = {"$ref", "allOf"} & described.keys()
            assert nested or described.get("description"), (model["title"], field)


def test_a_second_retrain_waits_and_a_second_weekly_one_is_dropped() -> None:
    limits = {
        name: DEPLOYMENTS[name]["concurrency_limit"] for name in DEPLOYMENTS if "retrain" in name
    }

    assert limits["retrain"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert limits["retrain-weekly"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_a_runs_place_is_its_workers_and_an_image_that_of_the_pool() -> None:
    for name, deployment in DEPLOYMENTS.items():
        assert deployment["pull"] == [{"flows.working_place.enter": {}}], name
    assert "$" not in (Path(__file__).parents[1] / "prefect.yaml").read_text()
