"""The source of the raw data: where it is, and how its bytes come here.

Every fault is a SourceError with one message that names the source and the fix.
"""

from __future__ import annotations

import io
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit
from urllib.request import url2pathname
from uuid import uuid4

import stamina

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from gzip import GzipFile
    from typing import IO

    from housing_ml.config.data import DataConfig
    from housing_ml.settings import Settings


PUBLIC_DATA_URL = (
    "https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/housing.tgz"
)


PUBLIC_DATA_SHA256 = "d4cd501af90475f09b814c7447c7701f59bf28e8cf1180205ae5ace9737a0109"


MAX_BYTES = 2 * 1024**3
"""Neither a source nor what is unpacked from it may be larger."""

_CHUNK = 1024**2
_REQUEST_SECONDS = 30.0


class SourceError(HousingError, RuntimeError):
    """A source that cannot be used as it is."""


class SourceUnavailableError(SourceError):
    """A source that cannot be reached just now."""


class _RetryableError(Exception):
    """A fault of the network or the server that another attempt may not meet."""


class Source(NamedTuple):
    """Where raw data are, what their SHA-256 must be if that is known, and what version is there.

    `version` changes when the content does: see `source_version`.
    """

    address: str
    expected_sha256: str | None
    version: str


SYNTHETIC = Source("synthetic", None, "synthetic")


def locate(config: DataConfig, settings: Settings) -> Source:
    """Return the source that is configured; else the public data.

    Raises:
        SourceUnavailableError: when it cannot be reached.
        SourceError: when there is no such source.
    """
    if config.synthetic:
        return SYNTHETIC
    address = config.url or settings.data_url or PUBLIC_DATA_URL
    known = PUBLIC_DATA_SHA256 if address == PUBLIC_DATA_URL else None
    expected = config.sha256 or known
    return Source(address, expected, source_version(address, expected))


def read_source(address: str, expected_sha256: str | None) -> bytes:
    """Return the source's bytes, from https://, http://, gs://, file:// or a path.

    Raises:
        SourceUnavailableError: when it cannot be reached, after retries.
        SourceError: when there is no such source, or its digest is not the expected one.
    """
    content = _read(address)
    if not content:
        raise SourceError(f"{address}: the file is empty")
    digest = sha256(content).hexdigest()
    if expected_sha256 and digest != expected_sha256:
        raise SourceError(
            f"{address}: its SHA-256 is {digest}, but {expected_sha256} is expected: "
            "the file is damaged or another one; correct data.url or data.sha256"
        )
    return content


def source_version(address: str, expected_sha256: str | None) -> str:
    """Return what changes when the source's content does, without reading all of a remote one.

    It is the expected digest, a local file's digest, an object's generation, or the entity tag or
    modification time that a server gives. A source that tells none of them has a version of its
    own at each look, so that it is read again.

    Raises:
        SourceError: when a local file cannot be read, or the address is none.
    """
    if expected_sha256:
        return expected_sha256
    scheme = _parts(address).scheme
    if scheme in ("https", "http"):
        version = _server_version(address)
    elif scheme == "gs":
        version = _generation(address)
    else:
        version = sha256(_read(address)).hexdigest()
    return version or uuid4().hex


def file_name(address: str) -> str:
    """Return the name of the source's file in lower case, without folders and query."""
    remote = _parts(address).scheme in ("https", "http", "gs")
    path = _parts(address).path if remote else _local_path(address).name
    return path.rpartition("/")[2].lower()


def read_limited(file: IO[bytes] | GzipFile, what: str) -> bytes:
    """Return all of `file`; `what` names it in the error.

    Raises:
        SourceError: when it is larger than `MAX_BYTES`.
    """
    return _join(iter(partial(file.read, _CHUNK), b""), what)


def _join(chunks: Iterable[bytes] | Iterator[bytes], what: str) -> bytes:
    received = io.BytesIO()
    for chunk in chunks:
        received.write(chunk)
        if received.tell() > MAX_BYTES:
            raise SourceError(f"{what}: is larger than {MAX_BYTES:,} bytes")
    return received.getvalue()


def _read(address: str) -> bytes:
    scheme = _parts(address).scheme
    if scheme in ("https", "http"):
        return _download(address)
    if scheme == "gs":
        return _read_bucket(address)
    if scheme in ("file", ""):
        return _read_file(address)
    raise SourceError(f"{address}: use https://, gs://, file:// or a path")


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise SourceError(f"{address}: {error}: correct data.url") from None


def _local_path(address: str) -> Path:
    parts = _parts(address)
    if parts.scheme != "file":
        try:
            return Path(address).expanduser()
        except RuntimeError as error:
            raise SourceError(f"{address}: {error}: correct data.url") from None
    if parts.netloc not in ("", "localhost"):
        raise SourceError(f"{address}: write file:/// and the whole path, with three slashes")
    return Path(url2pathname(parts.path))


def _read_file(address: str) -> bytes:
    path = _local_path(address)
    try:
        with path.open("rb") as file:
            return read_limited(file, address)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{address}: cannot be read ({reason}): correct data.url") from None


def _download(address: str) -> bytes:
    import httpx  # noqa: PLC0415 - local sources do not need it

    try:
        for attempt in stamina.retry_context(
            on=_RetryableError, attempts=4, timeout=90, wait_initial=0.5, wait_max=10
        ):
            with attempt:
                return _fetch(address)
    except _RetryableError as error:
        raise SourceUnavailableError(
            f"{address}: cannot be reached ({error}): try again later, or set HOUSING_DATA_URL"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error).partition("\n")[0]
        raise SourceError(f"{address}: {reason}: correct data.url") from None
    raise AssertionError(address)  # pragma: no cover - the loop returns or raises


def _fetch(address: str) -> bytes:
    import httpx  # noqa: PLC0415 - local sources do not need it

    try:
        with httpx.stream(
            "GET", address, timeout=_REQUEST_SECONDS, follow_redirects=True
        ) as response:
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
                raise _RetryableError(f"the server answered {response.status_code}")
            response.raise_for_status()
            return _join(response.iter_bytes(), address)
    except httpx.UnsupportedProtocol:
        raise
    except httpx.TransportError as error:
        raise _RetryableError(str(error) or type(error).__name__) from error


def _server_version(address: str) -> str | None:
    import httpx  # noqa: PLC0415 - local sources do not need it

    try:
        response = httpx.head(address, timeout=_REQUEST_SECONDS, follow_redirects=True)
        response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    headers: dict[str, str] = dict(response.headers)
    return headers.get("etag") or headers.get("last-modified")


def _generation(address: str) -> str | None:
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 - only gs:// needs it
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - the same

    try:
        return str(_blob(address).generation)
    except (GoogleAPIError, GoogleAuthError, OSError, ValueError):
        return None


def _blob(address: str) -> Any:
    """Return the object of a gs:// address with its generation and size, not its content."""
    from google.cloud.storage import Client  # noqa: PLC0415 - only gs:// sources need it

    parts = _parts(address)
    blob = Client().bucket(parts.netloc).blob(parts.path.lstrip("/"))
    blob.reload(timeout=_REQUEST_SECONDS)
    return blob


def _read_bucket(address: str) -> bytes:
    from google.api_core import exceptions  # noqa: PLC0415 - only gs:// sources need it
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - the same

    try:
        blob = _blob(address)
        if blob.size > MAX_BYTES:
            raise SourceError(f"{address}: is larger than {MAX_BYTES:,} bytes")
        content: bytes = blob.download_as_bytes(
            timeout=_REQUEST_SECONDS, if_generation_match=blob.generation
        )
    except (exceptions.NotFound, ValueError):  # ValueError: no bucket or no object in the address
        raise SourceError(f"{address}: there is no such object: correct data.url") from None
    except (exceptions.ClientError, GoogleAuthError) as error:
        raise SourceError(f"{address}: {error}: see the credentials of this machine") from None
    except (exceptions.GoogleAPIError, OSError) as error:
        raise SourceUnavailableError(f"{address}: {error}: try again later") from None
    return content
