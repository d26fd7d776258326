"""What is wrong with a body that msgspec refused: all of it at once.

msgspec is fast and stops at the first fault, so it reads every body, and this module reads only
those that it refused: with the standard library's parser, which also sees duplicate keys and tells
NaN and infinite numbers from other nonsense.
"""

from __future__ import annotations

import json
import math
from itertools import islice
from typing import TYPE_CHECKING, Any

from housing_ml.data.contract import (
    CATEGORIES,
    CATEGORY,
    CATEGORY_RULE,
    COLUMNS,
    FIELDS,
    BlockGroup,
)
from serve.schemas import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_ERRORS = 100
"""Offending fields that an answer names; it says how many more there are."""

_MOST_COUNTED = 10_000
"""More than 1,000 block groups have fields; nobody needs a larger number exactly."""

_LONGEST_ECHO = 100
_OPTIONAL = b'"total_bedrooms"'
_REQUIRED = tuple(name for name in COLUMNS if name == CATEGORY or FIELDS[name].required)


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, duplicate keys included."""


def find_errors(body: bytes, max_instances: int) -> list[FieldError]:
    """Return every offending field of a request body, at most 10,000 of them.

    An empty list means that nothing is wrong that this module knows of.
    """
    try:
        document = json.loads(
            body.decode(), object_pairs_hook=_Pairs, parse_int=float, parse_constant=float
        )
    except UnicodeDecodeError as error:
        return [FieldError("body", None, f"must be UTF-8 (byte {error.start} is not)")]
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return [FieldError("body", None, f"must be JSON ({error.msg.lower()}: {where})")]
    except RecursionError:
        return [FieldError("body", None, "must not be nested so deeply")]
    return list(islice(_request_errors(document, max_instances), _MOST_COUNTED))


def may_repeat_keys(body: bytes, instances: Sequence[BlockGroup]) -> bool:
    """Tell whether a body that msgspec accepted may give a key twice; msgspec takes the last.

    Only names and categories stand in quotes, and neither holds a quote or a brace, so each block
    group has 18 quotes, and 2 more where it names `total_bedrooms`: only those that lack it are
    looked at one by one. False is certain; True is not, since a name may be written with escapes.
    """
    expected = 2 + 20 * len(instances)
    lacking = [at for at, place in enumerate(instances) if place.total_bedrooms is None]
    parts = body.split(b"}") if lacking else []
    for at in lacking:
        quotes = parts[at].count(b'"') - (0 if at else 2)
        if quotes != 18 + 2 * min(1, parts[at].count(_OPTIONAL)):
            return True
        expected -= 20 - quotes
    return body.count(b'"') != expected


def _request_errors(document: Any, max_instances: int) -> Iterator[FieldError]:
    if not isinstance(document, _Pairs):
        yield FieldError("body", _echo(document), 'must be an object: {"instances": [...]}')
        return
    yield from _key_errors(document, "", ("instances",), ("instances",))
    for name, value in document:
        if name != "instances":
            continue
        if isinstance(value, _Pairs) or not isinstance(value, list):
            yield FieldError(name, _echo(value), "must be a list of block groups")
            continue
        if not 1 <= len(value) <= max_instances:
            rule = f"must hold 1 to {max_instances} block groups"
            yield FieldError(name, _echo(value), rule)
        for index, instance in enumerate(value[:max_instances]):
            yield from _instance_errors(instance, f"{name}[{index}]")


def _instance_errors(instance: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(instance, _Pairs):
        yield FieldError(
            path, _echo(instance), "must be an object with the fields of a block group"
        )
        return
    yield from _key_errors(instance, f"{path}.", COLUMNS, _REQUIRED)
    for name, value in instance:
        if name in COLUMNS and (rule := _broken_rule(name, value)):
            yield FieldError(f"{path}.{name}", _echo(value), rule)


def _key_errors(
    pairs: _Pairs, prefix: str, known: tuple[str, ...], required: tuple[str, ...]
) -> Iterator[FieldError]:
    seen: set[str] = set()
    for name, value in pairs:
        path = prefix + _shorten(name)
        if name in seen:
            yield FieldError(path, _echo(value), "must be given once")
        elif name not in known:
            yield FieldError(path, _echo(value), f"is unknown; known: {', '.join(known)}")
        seen.add(name)
    for name in required:
        if name not in seen:
            rule = CATEGORY_RULE if name == CATEGORY else getattr(FIELDS.get(name), "rule", "")
            yield FieldError(prefix + name, None, f"is required; {rule}" if rule else "is required")


def _broken_rule(name: str, value: Any) -> str | None:
    if name == CATEGORY:
        return None if value in CATEGORIES else CATEGORY_RULE
    field = FIELDS[name]
    if value is None and not field.required:
        return None
    inside = isinstance(value, float) and field.minimum <= value <= field.maximum
    return None if inside else field.rule


def _echo(value: Any) -> Any:
    """Return `value` in a form that is short, flat and valid JSON."""
    match value:
        case _Pairs():
            return f"an object of {len(value)} fields"
        case list():
            return f"a list of {len(value)} items"
        case float() if not math.isfinite(value):
            return str(value)
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case str():
            return _shorten(value)
        case _:
            return value


def _shorten(text: str) -> str:
    clean = text.encode(errors="replace").decode()
    return clean if len(clean) <= _LONGEST_ECHO else f"{clean[:_LONGEST_ECHO]}..."
