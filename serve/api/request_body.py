"""Reading a request's body: its length, time and media type, then every rule of the contract."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec
from litestar import Request

from serve.api.problems import ProblemError
from serve.api.request_errors import MAX_ERRORS, find_errors, may_repeat_keys
from serve.schemas import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from housing_ml.data.contract import BlockGroup
    from serve.telemetry.metrics import Metrics

_SMALL_BODY = 16_384
_UTF_8 = (b"", b"utf-8", b"utf8")


class ServiceRequest(Request[Any, Any, Any]):
    """A request whose body has a limit in bytes (`app.state.body_limit`) and in time."""

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            ProblemError: 413 when it is too long, 408 when it comes too slowly, 400 when the client
                leaves.
        """
        state: Any = self.scope["state"]
        if "complete_at" in state:
            return await self._read()
        try:
            async with asyncio.timeout(self.app.state.client_seconds):
                return await self._read()
        except TimeoutError:
            detail = f"The body did not arrive within {self.app.state.client_seconds:g} seconds."
            raise ProblemError(
                HTTPStatus.REQUEST_TIMEOUT, detail, headers={"Connection": "close"}
            ) from None
        finally:
            state.setdefault("complete_at", time.perf_counter())

    async def _read(self) -> bytes:
        limit: int = self.app.state.body_limit
        parts: list[bytes] = []
        size = 0
        more = True
        while more and size <= limit:
            message: Any = await self.receive()
            if message["type"] == "http.disconnect":
                raise ProblemError(HTTPStatus.BAD_REQUEST, "The client left.")
            parts.append(message["body"])
            size += len(parts[-1])
            more = message["more_body"]
        if size > limit:
            detail = f"The body must have at most {limit:,} bytes."
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class HasInstances(Protocol):
    """A request that holds block groups."""

    @property
    def instances(self) -> list[BlockGroup]:
        """The block groups."""


Document = TypeVar("Document", bound=HasInstances)
Plain = TypeVar("Plain")


class StrictJson(Generic[Document]):
    """Decodes bodies of one type, and tells all that is wrong with the others."""

    def __init__(self, document: type[Document], max_instances: int, metrics: Metrics) -> None:
        self._decoder = msgspec.json.Decoder(document)
        self._max_instances = max_instances
        self._metrics = metrics

    async def read(self, request: Request[Any, Any, Any], body: bytes) -> Document:
        """Return what the body holds.

        Raises:
            ProblemError: 415 when it is no JSON; 400 with every offending field at once.
        """
        require_json(request.scope["headers"])
        return await self.decode(body)

    async def decode(self, body: bytes) -> Document:
        """Return what JSON holds.

        Raises:
            ProblemError: 400 with every offending field at once.
        """
        try:
            document = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            errors = await self._errors(body) or [FieldError("body", None, str(error))]
        else:
            if not may_repeat_keys(body, document.instances):
                return document
            errors = await self._errors(body)
            if not errors:
                return document
        self._metrics.refused(errors)
        detail = "The request breaks the contract; each offending field is in `errors`."
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            detail,
            errors=errors[:MAX_ERRORS],
            errors_omitted=max(0, len(errors) - MAX_ERRORS),
        )

    async def _errors(self, body: bytes) -> list[FieldError]:
        if len(body) <= _SMALL_BODY:
            return find_errors(body, self._max_instances)
        return await asyncio.to_thread(find_errors, body, self._max_instances)


class PlainJson(Generic[Plain]):
    """Decodes bodies of one type, and tells the first thing that is wrong with the others."""

    def __init__(self, document: type[Plain], metrics: Metrics) -> None:
        self._decoder = msgspec.json.Decoder(document)
        self._metrics = metrics

    def read(self, request: Request[Any, Any, Any], body: bytes) -> Plain:
        """Return what the body holds.

        Raises:
            ProblemError: 415 when it is no JSON; 400 with the offending field.
        """
        require_json(request.scope["headers"])
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            errors = [_fault(error)]
            self._metrics.refused(errors)
            detail = "The request is not as described: see `errors`."
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail, errors=errors) from None


def _fault(error: Exception) -> FieldError:
    """Return the first fault; msgspec names its place as `$.instances[0].actual_price`."""
    rule, _, place = str(error).partition(" - at `$")
    return FieldError(place.strip("`.") or "body", None, rule)


def require_json(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise a ProblemError, 415, unless the headers announce plain JSON in UTF-8."""
    media_type, charset, coding = b"", b"", b"identity"
    for name, value in headers:
        if name == b"content-type":
            media_type, _, parameters = value.lower().partition(b";")
            charset = _parameter(parameters, b"charset") if parameters else b""
        elif name == b"content-encoding":
            coding = value.lower().strip()
    plain = media_type.strip() == b"application/json" and charset in _UTF_8
    if not plain or coding != b"identity":
        detail = (
            "The body must be plain JSON in UTF-8: send the header Content-Type: application/json."
        )
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def _parameter(parameters: bytes, wanted: bytes) -> bytes:
    """Return a parameter of a media type, in small letters; empty where it is not given."""
    for parameter in parameters.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip() == wanted:
            return value.strip(b' \t"')
    return b""
