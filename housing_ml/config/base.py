"""The base of every config: frozen, strict, read from a file with overrides on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ConfigError(HousingError, ValueError):
    """A config that cannot be used; the message names each offending field."""


class Config(BaseModel):
    """Frozen and strict base of every part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def load(cls, path: Path | None = None, overrides: Sequence[str] = ()) -> Self:
        """Read a YAML or JSON file, with `name.of.field=value` overrides on top.

        Raises:
            ConfigError: one message that names each offending field.
        """
        document = _read(path) if path else {}
        for override in overrides:
            _set(document, override)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']} (found {fault['input']!r})"
                for fault in error.errors()
            ]
            raise ConfigError("\n".join(lines)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML or JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: needs names and values at the top, such as `sweep:`")
    return document


def _set(document: dict[str, Any], override: str) -> None:
    name, separator, value = override.partition("=")
    if not separator or not name:
        raise ConfigError(f"{override}: an override looks like sweep.trials=20")
    *parts, last = name.split(".")
    for part in parts:
        child = document.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{override}: {part} is a value and has no parts")
        document = child
    try:
        document[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{override}: the value is no YAML: {error}") from None
