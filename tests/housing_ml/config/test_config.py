from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from housing_ml.config.base import ConfigError
from housing_ml.config.retrain import RetrainConfig

if TYPE_CHECKING:
    from pathlib import Path


def test_the_embedded_defaults_need_no_file() -> None:
    assert RetrainConfig.load() == RetrainConfig()


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("sweep:\n  trials: 3\n  seed: 7\n")

    config = RetrainConfig.load(file, ["sweep.trials=5", "split.salt=other"])

    assert (config.sweep.trials, config.sweep.seed, config.split.salt) == (5, 7, "other")


def test_a_config_survives_the_round_trip_through_json() -> None:
    config = RetrainConfig()

    assert RetrainConfig.model_validate_json(config.model_dump_json()) == config


def test_an_error_names_every_offending_field_and_the_value_found() -> None:
    with pytest.raises(ConfigError) as error:
        RetrainConfig.load(None, ["sweep.trials=-1", "split.holdout_share=2", "sweep.trails=1"])

    message = str(error.value)
    assert "sweep.trials" in message
    assert "found -1" in message
    assert "split.holdout_share" in message
    assert "sweep.trails" in message


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("sweep.trials", "looks like"),
        ("=3", "looks like"),
        ("sweep=3,sweep.trials=1", "sweep"),
        ("sweep.trials=[1", "no YAML"),
    ],
)
def test_an_override_that_cannot_be_read_says_what_one_looks_like(override: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        RetrainConfig.load(None, override.split(","))


@pytest.mark.parametrize("text", ["- a list", "a: [", "\x00"])
def test_a_file_that_is_no_config_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=r"config\.yaml"):
        RetrainConfig.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        RetrainConfig.load(tmp_path / "nowhere.yaml")


def test_every_field_has_a_help_text_for_the_form() -> None:
    schema = RetrainConfig.model_json_schema()

    parts = {name: part for name, part in schema["$defs"].items() if "properties" in part}
    undescribed = [
        f"{name}.{field}"
        for name, part in parts.items()
        for field, description in part["properties"].items()
        if "description" not in description
    ]
    assert undescribed == []
