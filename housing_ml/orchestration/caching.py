"""A stage as a Prefect task: its result is found again when nothing has changed that shapes it.

    @stage(run_name="split {config.holdout_share:.0%}", timeout_seconds=60)
    def split(raw: DatasetRef, config: SplitConfig) -> SplitRecord: ...

The key of a result is the stage's arguments, the source of all code of this package that it can
reach, and the versions of the libraries that it computes with. The result is a small JSON record
that refers to stored data; a record whose data are missing or damaged is as good as none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import msgspec
from prefect import Task
from prefect.cache_policies import INPUTS, CachePolicy
from prefect.serializers import JSONSerializer
from prefect.transactions import IsolationLevel
from prefect.utilities.hashing import hash_objects
from pydantic import BaseModel, Field

from housing_ml.fingerprint import WORDING, code_fingerprint
from housing_ml.formats import Format, Stamp
from housing_ml.orchestration.locks import FileLocks
from housing_ml.records.refs import ArtifactRef
from housing_ml.settings import StorageSettings
from housing_ml.storage.errors import StorageError
from housing_ml.storage.store import open_store

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State
    from prefect.context import TaskRunContext

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

LIBRARIES = ("numpy", "pandas", "pyarrow", "pykdtree", "scikit-learn", "scipy")
"""The distributions that shape what most stages compute."""

UNSEEN = (
    *("housing_ml.settings", "housing_ml.storage", "housing_ml.orchestration"),
    *("housing_ml.progress", WORDING),
)
"""What shapes no result: where things are kept, how work runs and is told, a rule in words."""

FORMAT = Format(2, needs="0.2.0")
"""Of a cached result; the first was the record alone."""

ENCODING = "housing_ml.storage.frames"
"""How a table becomes bytes, which every stage that stores one depends on."""


def stage(
    *,
    run_name: str | None = None,
    retries: int = 0,
    timeout_seconds: float | None = None,
    libraries: Sequence[str] = LIBRARIES,
    words: bool = False,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function of a module a cached Prefect task; its result is a pydantic model.

    Args:
        run_name: Name of a run for people, with arguments in braces; else the function's name.
        retries: How often to try again after a failure that may pass.
        timeout_seconds: When to give up; what runs inside a C library is not interrupted.
        libraries: Distributions whose versions are part of the key.
        words: Whether the result quotes the rules of the contract.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        versions = {name: version(name) for name in libraries}
        return Task(
            function,
            task_run_name=run_name or function.__name__,
            retries=retries,
            retry_delay_seconds=1,
            retry_condition_fn=_may_pass,
            timeout_seconds=timeout_seconds,
            persist_result=True,
            result_serializer=RecordSerializer(),
            cache_policy=StagePolicy(
                code=stage_code(function, words=words),
                versions=versions,
                isolation_level=IsolationLevel.SERIALIZABLE,
                lock_manager=FileLocks(),
            ),
        )

    return decorate


def stage_code(function: Callable[..., Any], *, words: bool = False) -> str:
    """Return the digest of the code that shapes what a stage computes."""
    also = (ENCODING, WORDING) if words else (ENCODING,)
    return code_fingerprint(function, *also, without=UNSEEN)


@dataclass
class StagePolicy(CachePolicy):
    """The key of a stage's result: arguments, reachable code, versions of libraries."""

    code: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str:
        """Return the path of the result's record below the root of the storage.

        Raises:
            ValueError: when an argument cannot be hashed.
        """
        arguments = INPUTS.compute_key(task_ctx, inputs, flow_parameters, **kwargs)
        digest = hash_objects(arguments, self.code, self.versions, raise_on_failure=True)
        return f"results/{task_ctx.task.name}/{digest}.json"


class _Kept(msgspec.Struct):
    record: msgspec.Raw
    format: int = FORMAT.number
    needs: str = FORMAT.needs


class RecordSerializer(JSONSerializer[Any]):
    """JSON of a stage's result; loading it checks that what it refers to is there, undamaged.

    Prefect takes a record that cannot be loaded for a missing one, and computes it again. One of a
    newer format is refused, and the log says which version reads it.
    """

    type: str = Field(default="housing-record", frozen=True)

    def dumps(self, obj: Any) -> bytes:
        """Return the bytes of a result, with their format."""
        return msgspec.json.encode(_Kept(msgspec.Raw(super().dumps(obj))))

    def loads(self, blob: bytes) -> Any:
        """Return the result.

        Raises:
            StorageError: when it is of a newer format, or the store does not hold an object that
                it refers to.
        """
        stamp = msgspec.json.decode(blob, type=Stamp)
        if refusal := FORMAT.refusal("a cached result", stamp):
            logger.warning("computed again: %s", refusal)
            raise StorageError(refusal)
        kept = blob if stamp.format == 1 else msgspec.json.decode(blob, type=_Kept).record
        record = super().loads(bytes(kept))
        store = open_store(StorageSettings())
        for ref in _references(record):
            if not store.holds(ref):
                raise StorageError(f"{store.root}/{ref.key} is missing or damaged")
        return record


def _references(value: object) -> Iterator[ArtifactRef]:
    if isinstance(value, ArtifactRef):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _references(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)


def _may_pass(_task: object, _run: object, state: State[Any]) -> bool:
    """Whether a failure may pass: the store's may; what this package has judged will not."""
    error = state.data
    if isinstance(error, StorageError):
        return True
    package, ours = (name.partition(".")[0] for name in (type(error).__module__, __name__))
    return package != ours and not isinstance(error, ValueError | TypeError)
