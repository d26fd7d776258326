"""The page of a run begins with what was decided and why, a picture of it, and links."""

from __future__ import annotations

import re
from base64 import b64decode

from hypothesis import given
from hypothesis import strategies as st

from housing_ml.config.retrain import RetrainConfig
from housing_ml.records.gate import Check, GateDecision
from housing_ml.reporting.artifacts import artifact_key
from housing_ml.reporting.gate_figure import gate_picture
from housing_ml.reporting.lead import lead, operators_page, version_page
from housing_ml.settings import Settings


def test_sentence_picture_and_links_come_in_this_order_and_empty_ones_not_at_all() -> None:
    settings = Settings(
        service_page="http://127.0.0.1:8000/", mlflow_tracking_uri="http://127.0.0.1:5000"
    )
    links = {**operators_page(settings), **version_page(settings, "housing-price", "7")}

    sentence, picture, more = lead("7 is the champion: better.", b"PNG", links | {"x": ""}).split(
        "\n\n"
    )

    assert sentence == "**7 is the champion: better.**"
    assert b64decode(picture.rpartition(",")[2].removesuffix(")")) == b"PNG"
    assert more == (
        "[The operators' page](http://127.0.0.1:8000/operators) · "
        "[housing-price 7 in MLflow](http://127.0.0.1:5000/#/models/housing-price/versions/7)"
    )
    assert lead("Nothing.", None, operators_page(Settings(service_page=None))) == "**Nothing.**"


def test_a_decision_is_drawn_whatever_its_checks_hold() -> None:
    kinds = [("pass", 0.5, 1.0), ("fail", 3.0, 1.0), ("ask", None, None), ("pass", 1.0, 0.0)]
    checks = [
        Check(code="G01", title="t", value=value, limit=limit, verdict=verdict, reason="r", fix="")
        for verdict, value, limit in kinds
    ]
    decision = GateDecision(promote=False, checks=tuple(checks), reasons=("r",))

    assert gate_picture(decision).startswith(b"\x89PNG")


def test_the_form_of_a_retrain_has_what_is_changed_often_first() -> None:
    titles = [part["title"] for part in RetrainConfig.model_json_schema()["properties"].values()]
    groups = list(dict.fromkeys(title.partition(":")[0] for title in titles))

    assert groups == ["Often", "Limits", "Rows", "Model", "Record"]
    assert [title.partition(":")[0] for title in titles] == sorted(
        (title.partition(":")[0] for title in titles), key=groups.index
    )


@given(st.text(min_size=1))
def test_a_table_of_any_title_has_a_key_that_prefect_takes(title: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]*", artifact_key(title))
    assert artifact_key(f"Other than in training, {title}").startswith("other-than-in-training")
