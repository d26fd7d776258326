"""A bundle comes back as it was saved, or is refused with the reason."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.cloud_run import verify
from housing_ml.bundle.manifest import BundleError, Interval, Manifest, Provenance, sha256
from housing_ml.bundle.model import FILES, Bundle, bounded, load_bundle
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import COLUMNS, TARGET, BlockGroup, ContractError, Matrix, to_matrix
from tests.once import train_once

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

PLACE = BlockGroup(**{**verify.PLACE, "total_bedrooms": None})


@pytest.fixture(scope="module")
def raw(housing_frame: pd.DataFrame) -> Matrix:
    """Rows that training did not see."""
    return to_matrix(housing_frame.sample(3000, random_state=0)[1500:])


@pytest.fixture(scope="module")
def bundle(housing_frame: pd.DataFrame, pytestconfig: pytest.Config) -> Bundle:
    rows = housing_frame.sample(3000, random_state=0)[:1500]
    return train_once(
        pytestconfig.cache,
        to_matrix(rows),
        rows[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=5),
        "histogram_gradient_boosting",
        {"max_iter": 40, "learning_rate": 0.1},
        TrainingConfig(folds=3),
        Provenance(data_digest="d" * 64, rows=1500, synthetic=False),
    ).bundle


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "model")
    return tmp_path / "model"


def resealed(bundle: Bundle, **changes: Any) -> dict[str, bytes]:
    """The bundle's files with a manifest that was changed and sealed again."""
    manifest = msgspec.structs.replace(bundle.manifest, **changes)
    return {**bundle.files(), "manifest.json": manifest.sealed(manifest.files).to_json()}


class TestRoundTrip:
    def test_a_saved_bundle_loads_with_the_same_bytes_and_predictions(
        self, bundle: Bundle, saved: Path, raw: Matrix
    ) -> None:
        loaded = load_bundle(saved)
        assert loaded.files() == bundle.files()
        assert loaded.digest == bundle.digest == sha256((saved / "manifest.json").read_bytes())
        for found, expected in zip(
            loaded.predict_matrix(raw), bundle.predict_matrix(raw), strict=True
        ):
            np.testing.assert_array_equal(found, expected)

    def test_saving_replaces_an_older_bundle(self, bundle: Bundle, saved: Path) -> None:
        (saved / "model.onnx").write_bytes(b"older")
        bundle.save(saved)
        assert load_bundle(saved).digest == bundle.digest
        assert [item.name for item in saved.parent.iterdir()] == ["model"]

    def test_saving_spares_a_folder_with_other_files(self, bundle: Bundle, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(BundleError, match="holds other files"):
            bundle.save(tmp_path)
        assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]

    def test_saving_where_a_file_is_says_so(self, bundle: Bundle, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(BundleError, match="cannot be written"):
            bundle.save(tmp_path / "file" / "model")

    def test_nothing_in_a_bundle_is_a_pickle(self, bundle: Bundle) -> None:
        for name, content in bundle.files().items():
            assert not content.startswith(b"\x80"), name


class TestRefusal:
    @settings(max_examples=80, deadline=None)
    @given(
        name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7)
    )
    def test_a_flipped_bit_anywhere_is_noticed(
        self, bundle: Bundle, name: str, place: float, bit: int
    ) -> None:
        damaged = bytearray(bundle.files()[name])
        damaged[int(place * len(damaged))] ^= 1 << bit
        with pytest.raises(BundleError, match=name):
            Bundle({**bundle.files(), name: bytes(damaged)})

    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_named(self, saved: Path, name: str) -> None:
        (saved / name).unlink()
        with pytest.raises(BundleError, match=name):
            load_bundle(saved)

    @pytest.mark.parametrize("name", FILES)
    def test_a_truncated_file_is_named(self, saved: Path, name: str) -> None:
        content = (saved / name).read_bytes()
        (saved / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(BundleError, match=name):
            load_bundle(saved)

    def test_files_of_another_bundle_are_noticed(self, bundle: Bundle) -> None:
        files = {**bundle.files(), "model.onnx": bundle.files()["golden.safetensors"]}
        with pytest.raises(BundleError, match=r"model\.onnx: its digest"):
            Bundle(files)

    def test_a_bundle_of_other_code_that_repeats_its_golden_rows_is_taken_and_says_so(
        self, bundle: Bundle, raw: Matrix
    ) -> None:
        other = Bundle(resealed(bundle, feature_fingerprint="f" * 64))
        rows = len(bundle.golden.raw)
        assert other.other_code == f"made by other feature code; {rows:,} golden rows repeated"
        assert bundle.other_code == ""
        np.testing.assert_array_equal(
            other.predict_matrix(raw).price, bundle.predict_matrix(raw).price
        )

    def test_who_asks_for_the_same_code_is_not_given_a_bundle_of_other_code(
        self, bundle: Bundle
    ) -> None:
        with pytest.raises(BundleError, match=r"other code \(ffffffffffff\)"):
            Bundle(resealed(bundle, feature_fingerprint="f" * 64), same_code=True)
        assert Bundle(bundle.files(), same_code=True).digest == bundle.digest

    @pytest.mark.parametrize("output", ["price", "lower", "upper"])
    def test_a_bundle_of_other_code_is_refused_for_one_golden_row_and_a_hundredth_of_a_cent(
        self, bundle: Bundle, output: str
    ) -> None:
        values = getattr(bundle.golden, output).copy()
        values[-1] += 1e-3
        with pytest.raises(BundleError, match=rf"{output} is .* other code \(ffffffffffff\)"):
            Bundle.assemble(
                msgspec.structs.replace(bundle.manifest, feature_fingerprint="f" * 64),
                bundle.features,
                bundle.files()["model.onnx"],
                bundle.golden._replace(**{output: values}),
                bundle.reference,
            )

    @pytest.mark.parametrize("rows", [0, 3])
    def test_golden_rows_that_prove_nothing_are_refused(self, bundle: Bundle, rows: int) -> None:
        prices = {name: getattr(bundle.golden, name)[:rows] for name in ("price", "lower", "upper")}
        raw = bundle.golden.raw[: rows and rows + 1]
        with pytest.raises(BundleError, match=r"golden\.safetensors"):
            Bundle.assemble(
                bundle.manifest,
                bundle.features,
                bundle.files()["model.onnx"],
                bundle.golden._replace(raw=raw, **prices),
                bundle.reference,
            )

    @pytest.mark.parametrize("version", [0, 2])
    def test_another_format_is_refused(self, bundle: Bundle, version: int) -> None:
        with pytest.raises(BundleError, match=f"format {version}, but this code reads format 1"):
            Bundle(resealed(bundle, format=version))

    @pytest.mark.parametrize("output", ["price", "lower", "upper"])
    def test_a_golden_row_that_disagrees_is_named(self, bundle: Bundle, output: str) -> None:
        values = getattr(bundle.golden, output).copy()
        values[3] *= 1 + 3e-6
        golden = bundle.golden._replace(**{output: values})
        with pytest.raises(BundleError, match=f"golden row 3: {output} is"):
            Bundle.assemble(
                bundle.manifest,
                bundle.features,
                bundle.files()["model.onnx"],
                golden,
                bundle.reference,
            )

    def test_other_factors_of_the_interval_are_noticed_by_the_golden_rows(
        self, bundle: Bundle
    ) -> None:
        interval = Interval(level=0.9, lower=-1.0, upper=1.0)
        with pytest.raises(BundleError, match="golden row"):
            Bundle(resealed(bundle, interval=interval))

    def test_a_model_that_is_no_graph_is_refused(self, bundle: Bundle) -> None:
        with pytest.raises(BundleError, match="do not work together"):
            Bundle.assemble(
                bundle.manifest, bundle.features, b"no graph", bundle.golden, bundle.reference
            )

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "truncated"),
            (b"\xff\xfe", "malformed|invalid|UTF-8"),
            (b"[]", "Expected `object`, got `array`"),
            (b"{}", "missing required field `format`"),
            (b'{"format": 1}', "missing required field `model`"),
        ],
    )
    def test_a_manifest_that_is_none_says_why(
        self, bundle: Bundle, content: bytes, reason: str
    ) -> None:
        with pytest.raises(BundleError, match=rf"manifest\.json: .*({reason})"):
            Bundle({**bundle.files(), "manifest.json": content})

    def test_an_unknown_field_in_the_manifest_is_named(self, bundle: Bundle) -> None:
        document = msgspec.json.decode(bundle.files()["manifest.json"])
        content = msgspec.json.encode({**document, "hook": "import os"})
        with pytest.raises(BundleError, match="unknown field `hook`"):
            Bundle({**bundle.files(), "manifest.json": content})


class TestPrediction:
    def test_one_row_is_predicted_as_among_many(self, bundle: Bundle, raw: Matrix) -> None:
        many = bundle.predict_matrix(raw)
        for row in range(0, len(raw), 25):
            for one, expected in zip(bundle.predict_matrix(raw[row : row + 1]), many, strict=True):
                assert one[0] == expected[row]

    def test_any_number_of_rows_is_predicted(self, bundle: Bundle, raw: Matrix) -> None:
        for rows in (1, 2, 128, 129, 257, 1000):
            prediction = bundle.predict_matrix(raw[:rows])
            assert prediction.price.shape == prediction.lower.shape == (rows,)

    def test_frames_block_groups_and_matrices_give_the_same(
        self, bundle: Bundle, housing_frame: pd.DataFrame
    ) -> None:
        rows = housing_frame[:20]
        places = [BlockGroup(**row) for row in rows[[*COLUMNS]].to_dict("records")]
        expected = bundle.predict(to_matrix(rows))
        np.testing.assert_array_equal(bundle.predict(rows), expected)
        np.testing.assert_array_equal(bundle.predict(places), expected)
        assert bundle.predict_interval([PLACE]).shape == (1, 2)

    def test_a_missing_column_is_named(self, bundle: Bundle, housing_frame: pd.DataFrame) -> None:
        with pytest.raises(ContractError, match="missing column median_income"):
            bundle.predict(housing_frame.drop(columns="median_income"))

    @settings(max_examples=60, deadline=None)
    @given(price=st.floats(-1e7, 1e7), spread=st.floats(1, 1e7))
    def test_a_price_lies_in_its_interval_and_both_in_the_range_of_training(
        self, bundle: Bundle, price: float, spread: float
    ) -> None:
        prediction = bounded(np.array([price]), np.array([spread]), bundle.manifest)
        limits = bundle.manifest.price_range
        assert prediction.lower <= prediction.price <= prediction.upper
        assert limits.minimum <= prediction.lower
        assert prediction.upper <= limits.maximum


class TestWarnings:
    def test_rows_within_what_training_saw_have_none(self, bundle: Bundle) -> None:
        assert bundle.warnings_for(to_matrix([PLACE])) == [[]]

    def test_each_input_beyond_it_is_named_with_value_and_limit(self, bundle: Bundle) -> None:
        odd = msgspec.structs.replace(PLACE, total_rooms=99_999, housing_median_age=0)
        saw = {column.name: column for column in bundle.manifest.columns}
        lowest, highest = saw["housing_median_age"].minimum, saw["total_rooms"].maximum
        assert bundle.warnings_for(to_matrix([PLACE, odd])) == [
            [],
            [
                f"housing_median_age: 0 is below {lowest:.12g}, the training minimum",
                f"total_rooms: 99999 is above {highest:.12g}, the training maximum",
            ],
        ]

    @pytest.mark.parametrize(("code", "name"), [(2, "ISLAND"), (-1, "an unknown category")])
    def test_a_category_that_training_never_saw_is_named(
        self, bundle: Bundle, code: int, name: str
    ) -> None:
        files = resealed(bundle, categories=("<1H OCEAN", "INLAND", "NEAR BAY", "NEAR OCEAN"))
        raw = to_matrix([PLACE])
        raw[0, -1] = code
        message = f"ocean_proximity: {name} is not in the training data"
        assert Bundle(files).warnings_for(raw) == [[message]]

    def test_missing_bedrooms_are_odd_only_where_training_had_none(self, bundle: Bundle) -> None:
        complete = tuple(
            msgspec.structs.replace(column, missing_share=0.0) for column in bundle.manifest.columns
        )
        raw = to_matrix([PLACE])
        assert bundle.warnings_for(raw) == [[]]
        message = "total_bedrooms: never missing in the training data"
        assert Bundle(resealed(bundle, columns=complete)).warnings_for(raw) == [[message]]


def test_the_manifest_is_the_same_after_a_round_trip(bundle: Bundle) -> None:
    content = bundle.files()["manifest.json"]
    assert msgspec.json.decode(content, type=Manifest) == bundle.manifest
    assert bundle.manifest.to_json() == content


def test_serving_imports_none_of_the_training_libraries() -> None:
    code = (
        "import sys, housing_ml.bundle.model; "
        "print({'sklearn', 'pandas', 'mlflow', 'prefect', 'pydantic', 'onnx'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
