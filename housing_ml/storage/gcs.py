"""Data and releases in a Google Cloud Storage bucket, as a Prefect block names it.

The block says which bucket, which folder and whose credentials. prefect-gcp makes a client and
fetches a token for each object; here one client serves a process, which is ten times quicker.

Google's client compares checksums both ways, goes on where a broken transfer stopped, and tries
again while the service is away for a moment. An object is replaced whole or not at all.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests import RequestException

from housing_ml.storage.errors import ConflictError, ReleaseError, StorageError
from housing_ml.storage.versioned import StoredObject, Versioned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

PATIENCE_SECONDS = 60.0
"""How long a request is tried again while the service fails."""

_TIMEOUT_SECONDS = (5.0, 60.0)  # to connect; between two bytes
_FAULTS = (
    *(GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption),
    *(RequestException, ConnectionError),
)


def _read_refusal(response: Response, **_options: object) -> None:
    """Read what a refusal says: a download leaves it unread, and its connection open for ever."""
    if not response.ok:
        _ = response.content


class BucketError(StorageError, ReleaseError):
    """A bucket that does not give or take an object; the message says which and why."""


class Bucket:
    """Objects below a folder of a bucket: the files of a store, or the place of releases."""

    def __init__(self, block: Any, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Open the folder of a GcsBucket block with the block's credentials."""
        client = block.gcp_credentials.get_cloud_storage_client()
        client._http.hooks["response"].append(_read_refusal)  # noqa: SLF001 - no public way
        # for traces it would look at the bucket, in a thread and with a token of its own
        client._bucket_metadata_cache = None  # noqa: SLF001 - the same
        self._bucket = client.bucket(block.bucket)
        self._root = f"{block.bucket_folder.strip('/')}/".removeprefix("/")
        retry = DEFAULT_RETRY.with_timeout(patience_seconds)
        self._options = {"retry": retry, "timeout": _TIMEOUT_SECONDS}

    def below(self, folder: str) -> Bucket:
        """Return a folder below this one, by the same client."""
        found = copy(self)
        found._root = f"{self._root}{folder}/"  # noqa: SLF001 - one of us
        return found

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return f"gs://{self._bucket.name}/{self._root}".removesuffix("/")

    def read(self, name: str) -> Versioned | None:
        """Return an object of one generation, or None when there is none."""
        blob = self._bucket.blob(self._root + name)
        with self._one_message("read", name):
            try:
                content = blob.download_as_bytes(**self._options)
            except NotFound:
                return None
        return Versioned(content, int(blob.generation))

    def write(self, name: str, content: bytes, *, if_generation: int | None = None) -> int:
        """Replace an object in one step, in resumable parts when it is large.

        The content's digest is noted with it, for `sha256`.

        Raises:
            ConflictError: when the object's generation is not `if_generation`.
        """
        blob = self._bucket.blob(self._root + name)
        blob.metadata = {"sha256": hashlib.sha256(content).hexdigest()}
        with self._one_message("written", name):
            try:
                blob.upload_from_string(
                    content,
                    content_type="application/octet-stream",
                    checksum="crc32c",
                    if_generation_match=if_generation,
                    **self._options,
                )
            except PreconditionFailed as error:
                return self._generation_if_ours(name, content, error)
        return int(blob.generation)

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is as good as deleted."""
        with self._one_message("deleted", name):
            try:
                self._bucket.blob(self._root + name).delete(**self._options)
            except NotFound:
                return

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects directly in a folder, sorted."""
        with self._one_message("listed", folder):
            found = self._bucket.list_blobs(
                prefix=f"{self._root}{folder}/", delimiter="/", **self._options
            )
            return sorted(blob.name.removeprefix(self._root) for blob in found)

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        with self._one_message("listed", folder):
            found = self._bucket.list_blobs(
                prefix=f"{self._root}{folder}/", delimiter="/", **self._options
            )
            for _ in found.pages:
                pass
            prefixes: set[str] = found.prefixes
        return sorted(name.removeprefix(self._root).removesuffix("/") for name in prefixes)

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """Yield all objects below a folder, at any depth."""
        with self._one_message("listed", folder):
            for blob in self._bucket.list_blobs(prefix=f"{self._root}{folder}/", **self._options):
                yield StoredObject(blob.name.removeprefix(self._root), blob.size, blob.updated)

    def read_path(self, path: str) -> bytes:
        """Return the bytes of an object; BucketError when there is none."""
        found = self.read(path)
        if found is None:
            raise BucketError(f"{self.address}/{path} is not there")
        return found.content

    def write_path(self, path: str, content: bytes) -> None:
        """Write all of `content` at `path`, or nothing."""
        self.write(path, content)

    def sha256(self, path: str) -> str | None:
        """Return the digest that was noted when the object was written; None without one.

        The content is not read: the service keeps what it has checked, and whoever replaces the
        object replaces the note with it.
        """
        with self._one_message("looked at", path):
            blob = self._bucket.get_blob(self._root + path, **self._options)
        return (blob.metadata or {}).get("sha256") if blob else None

    def _generation_if_ours(self, name: str, content: bytes, error: PreconditionFailed) -> int:
        """Return the generation if we wrote it: the first answer was lost, and we tried again."""
        found = self.read(name)
        if found is None or found.content != content:
            message = f"{name} was changed by someone else: look again, then retry"
            raise ConflictError(message) from error
        return found.generation

    @contextmanager
    def _one_message(self, done: str, name: str) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            raise BucketError(
                f"{self.address}/{name} cannot be {done} ({error}): "
                "check the network and the block's credentials, then run again"
            ) from error
