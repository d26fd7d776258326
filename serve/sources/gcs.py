"""The release storage in a Google Cloud Storage bucket, over its JSON API."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from housing_ml.storage.errors import ConflictError
from housing_ml.storage.versioned import Versioned
from serve.sources.google_auth import find_auth
from serve.sources.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL = "https://storage.googleapis.com"


class HttpBucket:
    """Objects below a folder of a bucket; see `housing_ml.storage.versioned.ReleaseStorage`."""

    def __init__(self, place: str) -> None:
        """Open `gs://bucket/folder` with the credentials of this machine."""
        bucket, _, folder = place.removeprefix("gs://").strip("/").partition("/")
        url = os.environ.get("STORAGE_EMULATOR_HOST", _URL).rstrip("/")
        self._remote = Remote(place, url, find_auth())
        self._objects = f"storage/v1/b/{quote(bucket, safe='')}/o"
        self._root = f"{folder}/" if folder else ""

    def read(self, name: str) -> Versioned | None:
        """Return an object of one generation, or None when there is none."""
        path = f"/{self._objects}/{quote(self._root + name, safe='')}"
        answer = self._remote.ask(
            "GET", path, params={"alt": "media"}, expect=(HTTPStatus.NOT_FOUND,)
        )
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return Versioned(answer.content, int(answer.headers["X-Goog-Generation"]))

    def write(self, name: str, content: bytes, *, if_generation: int | None = None) -> int:
        """Replace an object in one step, and return its generation.

        Raises:
            ConflictError: when the object's generation is not `if_generation`.
            UnreachableError: when the bucket does not take it.
        """
        query: dict[str, Any] = {"uploadType": "media", "name": self._root + name}
        if if_generation is not None:
            query["ifGenerationMatch"] = if_generation
        answer = self._remote.ask(
            "POST",
            f"/upload/{self._objects}",
            params=query,
            content=content,
            headers={"Content-Type": "application/octet-stream"},
            expect=(HTTPStatus.PRECONDITION_FAILED,),
        )
        if answer.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise ConflictError(f"{name} was changed by someone else: look again, then retry")
        return int(answer.json()["generation"])

    def delete(self, name: str) -> None:
        """Delete the object; one that is not there is no error."""
        path = f"/{self._objects}/{quote(self._root + name, safe='')}"
        self._remote.ask("DELETE", path, expect=(HTTPStatus.NOT_FOUND,))

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects directly in a folder, sorted."""
        objects = (item["name"] for page in self._pages(folder) for item in page.get("items", []))
        return sorted(name.removeprefix(self._root) for name in objects)

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        names = (name for page in self._pages(folder) for name in page.get("prefixes", []))
        return sorted(name.removeprefix(self._root).removesuffix("/") for name in names)

    def _pages(self, folder: str) -> Iterator[dict[str, Any]]:
        query = {"prefix": f"{self._root}{folder}/", "delimiter": "/"}
        while True:
            page = self._remote.ask("GET", f"/{self._objects}", params=query).json()
            yield page
            if "nextPageToken" not in page:
                return
            query["pageToken"] = page["nextPageToken"]
