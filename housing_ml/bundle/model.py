"""The served model: save, load, verify, predict. It proves itself before it predicts.

A bundle is five files. `manifest.json` describes the model and seals the digests of the others;
`features.safetensors` holds the fitted features; `model.onnx` holds the model; and
`golden.safetensors` holds raw rows with the prices that scikit-learn gave for them in training;
`reference.json` holds counts of the training rows, for the monitor.
None of them can run code. A bundle that exists has passed every check: digests and golden rows.
Those decide, and not the text of the code: one that other feature code made is as good when this
code repeats each golden row, and `other_code` says so. Who wants the same code asks for it.

    bundle = load_bundle("models/champion")
    bundle.predict(frame)            # dollars, float64 (rows,)
    bundle.predict_interval(frame)   # dollars, float64 (rows, 2)
    bundle.at_least(frame)           # whether that or more, bool (rows,)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from operator import le
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import numpy as np
import onnxruntime
import safetensors.numpy

from housing_ml.bundle.familiarity import FEW, Familiarity
from housing_ml.bundle.manifest import (
    FORMAT,
    MANIFEST,
    BundleError,
    Manifest,
    Provenance,
    read_manifest,
    sha256,
)
from housing_ml.bundle.proof import FeatureCode, Golden, Prediction, Vector, check_golden
from housing_ml.bundle.reference import REFERENCE, Reference, read_reference
from housing_ml.bundle.row_order import similar_order
from housing_ml.data.contract import CATEGORIES, NUMERIC, Matrix, RawData
from housing_ml.data.tabular import raw_rows
from housing_ml.features import HousingFeatures
from housing_ml.fingerprint import feature_fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "FILES",
    "Bundle",
    "BundleError",
    "Golden",
    "Manifest",
    "Prediction",
    "Provenance",
    "load_bundle",
]

FEATURES, MODEL, GOLDEN = ("features.safetensors", "model.onnx", "golden.safetensors")
FILES = (MANIFEST, FEATURES, MODEL, GOLDEN, REFERENCE)

Aside: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Gives what is entered while the trees run, for which no Python is needed."""

_THREADS = min(4, os.cpu_count() or 1)

_FEW = 64
"""Fewer rows than this are predicted as they come."""

_SMALLEST_CHUNK, _LARGEST_CHUNK = 1024, 2048
"""Rows that a thread takes at once: few enough to bound memory, and worth waking it for. With half
as many, a service that is asked for a thousand rows at a time answers a sixth fewer: its threads
wait for each other between any two steps of a chunk."""


class Bundle:
    """A verified model that predicts dollars from raw rows, the same for one row and for many."""

    def __init__(self, files: Mapping[str, bytes], *, same_code: bool = False) -> None:
        """Take and verify the contents of the files, by name.

        Args:
            files: contents by name.
            same_code: refuse what other feature code made, though it repeats its golden rows.

        Raises:
            BundleError: when a check fails; the message says which and what to do.
        """
        missing = [name for name in FILES if name not in files]
        if missing:
            raise BundleError(f"{', '.join(missing)}: missing from the bundle")
        self._files = {name: files[name] for name in FILES}
        self.manifest: Manifest = read_manifest(files[MANIFEST])
        self._check_digests()
        here = feature_fingerprint()
        self.code = FeatureCode(self.manifest.feature_fingerprint, here)
        if same_code:
            self.code.require_the_same()
        try:
            self.features = HousingFeatures.from_arrays(safetensors.numpy.load(files[FEATURES]))
            self.golden = Golden(**safetensors.numpy.load(files[GOLDEN]))
            self.reference = read_reference(files[REFERENCE])
            self._session = _session(files[MODEL])
            self.golden.require_rows()
            replayed = self.predict_matrix(self.golden.raw)
        except Exception as error:  # damage can surface as any error of numpy or ONNX Runtime
            reason = self.code.explain(error)
            raise BundleError(f"the bundle's parts do not work together: {reason}") from error
        check_golden(replayed, self.golden, self.code)

    @classmethod
    def assemble(
        cls,
        manifest: Manifest,
        features: HousingFeatures,
        model: bytes,
        golden: Golden,
        reference: Reference,
    ) -> Bundle:
        """Return the bundle of a freshly trained model; `manifest` needs no digests yet."""
        contents = {
            FEATURES: _to_bytes(features.to_arrays()),
            MODEL: model,
            GOLDEN: _to_bytes(golden._asdict()),
            REFERENCE: reference.to_json(),
        }
        digests = {name: sha256(content) for name, content in contents.items()}
        stamped = msgspec.structs.replace(manifest, needs=FORMAT.needs)
        return cls({MANIFEST: stamped.sealed(digests).to_json(), **contents})

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, and through it of everything: the bundle's identity."""
        return sha256(self._files[MANIFEST])

    @property
    def other_code(self) -> str:
        """What people are told of a bundle that other code made; empty for one of this code."""
        return self.code.note(self.golden)

    def files(self) -> dict[str, bytes]:
        """Return the contents of the files by name."""
        return dict(self._files)

    def predict(self, data: RawData, *, validate: bool = True) -> Vector:
        """Return prices in dollars, float64 (rows,), within the price range of the training rows.

        `at_least` says which of them are to be read as "this or more".

        Args:
            data: raw rows as a DataFrame, a list of dicts, a dict of columns or a matrix.
            validate: refuse values that break the contract, as the API does; without it they are
                priced as if they were true.

        Raises:
            ContractError: when `data` is no raw rows, or a value breaks its rule.
        """
        return self.predict_matrix(raw_rows(data, validate=validate)).price

    def predict_interval(self, data: RawData, *, validate: bool = True) -> NDArray[np.float64]:
        """Return lower and upper bounds in dollars, float64 (rows, 2); as `predict` does."""
        prediction = self.predict_matrix(raw_rows(data, validate=validate))
        return np.column_stack((prediction.lower, prediction.upper))

    def at_least(self, data: RawData, *, validate: bool = True) -> NDArray[np.bool_]:
        """Return which prices are to be read as "this or more", (rows,); as `predict` does.

        They are those whose interval reaches the highest price of the training rows: in the census
        500,001 dollars stand for all above, so that nothing beyond them could be learnt.
        """
        return self.is_open(self.predict_matrix(raw_rows(data, validate=validate)))

    def is_open(self, prediction: Prediction) -> NDArray[np.bool_]:
        """Return for each price whether its interval reaches the end of the known prices."""
        found: NDArray[np.bool_] = prediction.upper >= self.manifest.price_range.maximum
        return found

    def predict_matrix(self, raw: Matrix, aside: Aside = nullcontext) -> Prediction:
        """Return prices and intervals of raw rows: the way that requests take.

        Many rows are shared out among threads, like ones together; ONNX Runtime's own threads would
        add up the trees in another order than for one row.

        Args:
            raw: float64 (rows, 9).
            aside: entered while the trees of rows run that one thread can take.
        """
        if len(raw) < _FEW:
            return self._predict(raw, aside)
        size = min(max(-(-len(raw) // _THREADS), _SMALLEST_CHUNK), _LARGEST_CHUNK)
        chunks = np.split(similar_order(raw), range(size, len(raw), size))
        prediction = np.empty((3, len(raw)))

        alone = len(chunks) == 1

        def predict(rows: NDArray[np.intp]) -> None:
            prediction[:, rows] = self._predict(raw[rows], aside if alone else nullcontext)

        list((map if alone else self._pool.map)(predict, chunks))
        return Prediction(*prediction)

    def score(self, features: NDArray[np.float64]) -> tuple[Vector, Vector]:
        """Return the model's own price and spread in dollars, unclipped, of a feature matrix."""
        price, spread = self._session.run(None, {"features": features})
        return price[:, 0], spread[:, 0]

    def warnings_for(self, raw: Matrix) -> list[list[str]]:
        """Name, for each raw row, the inputs that lie beyond what training saw.

        They are single columns, the place, and what the houses are like together. Rows of which
        there is nothing to say share one empty list.
        """
        warnings: list[list[str]] = [[]] * len(raw)
        if len(raw) > FEW or not all(map(self._is_within, raw.tolist())):
            lowest, highest, seen = self._limits
            known = (raw >= lowest) & (raw <= highest)
            known[:, -1] = seen[raw[:, -1].astype(np.intp)]
            for row, column in np.argwhere(~known).tolist():
                warnings[row] = [*warnings[row], *self._warning(column, raw[row, column])]
        for row, said in self.familiarity.warnings(raw, explained=warnings).items():
            warnings[row] = [*warnings[row], *said]
        return warnings

    def save(self, path: str | Path) -> None:
        """Write the files into the folder `path`, all or none; an older bundle there is replaced.

        Raises:
            BundleError: when `path` holds something else, or cannot be written.
        """
        target = Path(path)
        try:
            if target.exists() and {item.name for item in target.iterdir()} - set(FILES):
                raise BundleError(f"{target}: holds other files; save to a new folder")
            _replace_folder(target, self._files)
        except OSError as error:
            raise BundleError(f"{target}: cannot be written: {error}") from error

    def _check_digests(self) -> None:
        for name in FILES[1:]:
            if sha256(self._files[name]) != self.manifest.files.get(name):
                raise BundleError(f"{name}: its digest does not match: it was changed or damaged")

    @cached_property
    def familiarity(self) -> Familiarity:
        """How near rows are to the training rows."""
        neighbours = self.features.neighbours_
        return Familiarity(neighbours.places, neighbours.values[-4:])

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="bundle")

    def _predict(self, raw: Matrix, aside: Aside) -> Prediction:
        features = self.features.transform(raw)
        with aside():
            price, spread = self.score(features)
        return bounded(price, spread, self.manifest)

    @cached_property
    def _limits(self) -> tuple[Vector, Vector, NDArray[np.bool_]]:
        lowest = np.array([*(column.minimum for column in self.manifest.columns), -1.0])
        highest = np.array([*(column.maximum for column in self.manifest.columns), np.inf])
        seen = [name in self.manifest.categories for name in CATEGORIES]
        return lowest, highest, np.array([*seen, False])  # code -1 finds the last

    def _is_within(self, row: list[float]) -> bool:
        """Whether training saw all columns of a row: numpy takes ten times as long for one row."""
        lowest, highest, seen = self._plain_limits
        return all(map(le, lowest, row)) and all(map(le, row, highest)) and seen[int(row[-1])]

    @cached_property
    def _plain_limits(self) -> tuple[list[float], list[float], list[bool]]:
        lowest, highest, seen = self._limits
        return lowest.tolist(), highest.tolist(), seen.tolist()

    def _warning(self, column: int, value: float) -> list[str]:
        if column == len(NUMERIC):
            code = int(value)
            name = CATEGORIES[code] if code >= 0 else "an unknown category"
            return [f"ocean_proximity: {name} is not in the training data"]
        saw = self.manifest.columns[column]
        if np.isnan(value):
            unusual = saw.missing_share == 0
            return [f"{saw.name}: never missing in the training data"] if unusual else []
        if value < saw.minimum:
            return [f"{saw.name}: {value:.12g} is below {saw.minimum:.12g}, the training minimum"]
        return [f"{saw.name}: {value:.12g} is above {saw.maximum:.12g}, the training maximum"]


def bounded(price: Vector, spread: Vector, manifest: Manifest) -> Prediction:
    """Return a model's price and interval within the price range of the training rows."""
    interval, allowed = manifest.interval, manifest.price_range
    bounds = np.multiply([[0.0], [interval.lower], [interval.upper]], spread)
    bounds += price
    np.maximum(bounds, allowed.minimum, out=bounds)
    return Prediction(*np.minimum(bounds, allowed.maximum, out=bounds))


def load_bundle(path: str | Path, *, same_code: bool = False) -> Bundle:
    """Read and verify a saved bundle; `same_code` is that of `Bundle`.

    Raises:
        BundleError: when a file is missing or a check fails; the message says which.
    """
    folder = Path(path)
    try:
        files = {name: (folder / name).read_bytes() for name in FILES}
    except OSError as error:
        raise BundleError(f"{folder}: cannot be read: {error}") from error
    return Bundle(files, same_code=same_code)


def _to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    # safetensors writes an array's memory as it lies, whatever its strides say
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return safetensors.numpy.save(contiguous)


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=".bundle-") as temporary:
        new = Path(temporary, "new")
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        if target.exists():
            target.rename(Path(temporary, "old"))
        new.rename(target)
