"""What the gate is told of a bundle: its behaviour, its cost, its errors by slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.bundle.manifest import Provenance
from housing_ml.bundle.model import Bundle, Prediction
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import CATEGORIES, COLUMNS, TARGET, Matrix, to_matrix
from housing_ml.gate.behaviour import Behaviour, probe
from housing_ml.gate.serving_cost import measure_serving
from housing_ml.gate.slices import compare_slices
from housing_ml.gate.traffic import Asked, price_traffic
from housing_ml.modelling.evaluation import parts
from housing_ml.modelling.ratio import Pair, ratio
from housing_ml.orchestration.code_state import code_state
from housing_ml.records.gate import Move
from tests.once import train_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def rows(housing_frame: pd.DataFrame) -> pd.DataFrame:
    return housing_frame.sample(3000, random_state=0)


@pytest.fixture(scope="module")
def bundle(rows: pd.DataFrame, pytestconfig: pytest.Config) -> Bundle:
    seen = rows[:1500]
    return train_once(
        pytestconfig.cache,
        to_matrix(seen),
        seen[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=5),
        "histogram_gradient_boosting",
        {"max_iter": 40, "learning_rate": 0.1},
        TrainingConfig(folds=2),
        Provenance(data_digest="d" * 64, rows=1500, synthetic=False),
    ).bundle


@pytest.fixture(scope="module")
def raw(rows: pd.DataFrame) -> Matrix:
    return to_matrix(rows[1500:])


class _Bent(Bundle):
    """The bundle with its prices bent by a function of the rows."""

    def __init__(
        self, bundle: Bundle, bend: Callable[[Matrix, NDArray[np.float64]], NDArray[np.float64]]
    ) -> None:
        self._bend = None
        super().__init__(bundle.files())
        self._bend = bend

    def predict_matrix(self, raw: Matrix) -> Prediction:
        found = super().predict_matrix(raw)
        return found._replace(price=self._bend(raw, found.price)) if self._bend else found


def test_a_sound_model_behaves(bundle: Bundle, raw: Matrix) -> None:
    found = probe(bundle, raw)

    assert found.income > 0
    assert found.map_step < 0.05
    assert found.row_order < 1e-9
    assert found.missing_bedrooms < 0.1


@pytest.mark.parametrize(
    ("name", "bend"),
    [
        ("income", lambda raw, price: price / raw[:, COLUMNS.index("median_income")]),
        ("map_step", lambda raw, price: price * (1 + 0.5 * np.sin(1e5 * raw[:, 0]))),
        ("row_order", lambda raw, price: price * (1 + 0.001 * np.arange(len(raw)))),
        ("missing_bedrooms", lambda raw, price: price * (1 + np.isnan(raw[:, 4]))),
    ],
)
def test_each_misbehaviour_is_noticed(
    bundle: Bundle,
    raw: Matrix,
    name: str,
    bend: Callable[[Matrix, NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    good, bad = probe(bundle, raw), probe(_Bent(bundle, bend), raw)

    assert name in Behaviour.model_fields
    if name == "income":
        assert bad.income < 0
    else:
        assert getattr(bad, name) > 10 * getattr(good, name)


def test_the_cost_is_that_of_one_row_and_all_files(bundle: Bundle, raw: Matrix) -> None:
    cost = measure_serving(bundle, raw[:10])

    assert 1 < cost.microseconds < 100_000
    assert cost.bundle_bytes == sum(map(len, bundle.files().values()))


def test_every_row_lies_in_one_region(raw: Matrix) -> None:
    regions = [rows for kind, _, rows in parts(raw, np.ones(len(raw))) if kind == "region"]

    assert np.array_equal(np.sum(regions, axis=0), np.ones(len(raw)))


def test_the_standard_error_of_a_ratio_is_that_of_a_bootstrap() -> None:
    generator = np.random.default_rng(1)
    actual = generator.lognormal(12, 0.5, 800)
    errors = actual * generator.gamma(1, 0.1, 800)
    draws = generator.integers(0, 800, (4000, 800))
    bootstrap = np.std(errors[draws].sum(axis=1) / actual[draws].sum(axis=1))

    assert ratio(Pair.of(errors, actual), len(actual)).error == pytest.approx(bootstrap, rel=0.05)


def test_slices_compare_only_the_rows_that_both_predicted(bundle: Bundle, raw: Matrix) -> None:
    prediction = bundle.predict_matrix(raw)
    actual = prediction.price * 1.1
    champion = np.where(np.arange(len(raw)) % 2, prediction.price, np.nan)

    for item in compare_slices(raw, actual, prediction, champion):
        assert item.wmape.value == pytest.approx(0.1 / 1.1)
        if item.difference is not None:
            assert item.difference.value == pytest.approx(0)
            assert item.champion == pytest.approx(0.1 / 1.1)


def test_the_state_of_the_code_names_what_differs_from_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.1 \\\n    --hash=sha256:0\npandas==0.2 ; python_version < '3'\n")

    state = code_state(lock)

    assert state.unlocked is not None
    assert [item.split()[0] for item in state.unlocked] == ["numpy", "pandas"]
    assert code_state(tmp_path / "none").unlocked is None


INLAND = CATEGORIES.index("INLAND")


def twice_inland(raw: Matrix, price: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(raw[:, -1] == INLAND, 2 * price, price)


def asked_of(bundle: Bundle, raw: Matrix) -> Asked:
    warned = np.array([bool(found) for found in bundle.warnings_for(raw)])
    return Asked(raw, bundle.predict_matrix(raw).price, warned)


def test_the_same_model_moves_no_logged_row(bundle: Bundle, raw: Matrix) -> None:
    found = price_traffic(bundle, asked_of(bundle, raw), ())

    assert (found.rows, found.compared, found.not_finite) == (1500, 1500, 0)
    assert (found.moved, found.shift, found.apart, found.newly_warned) == (0, 0, 0, 0)
    assert found.most_moved == ()


def test_what_moves_is_told_by_part_and_the_ten_rows_that_move_most(
    bundle: Bundle, raw: Matrix
) -> None:
    often = raw[[0] * 20 + [*range(1500)]]  # one row may be asked for often

    found = price_traffic(_Bent(bundle, twice_inland), asked_of(bundle, often), ())

    inland = (often[:, -1] == INLAND).mean()
    assert found.moved == pytest.approx(inland)
    parts = {part.name: part.moved for part in found.parts}
    assert parts["ocean proximity INLAND"] == 1
    assert parts["ocean proximity NEAR BAY"] == 0
    assert len({tuple(item.row.values()) for item in found.most_moved}) == 10
    assert {item.row["ocean_proximity"] for item in found.most_moved} == {"INLAND"}
    for item in found.most_moved:
        assert item.candidate == pytest.approx(2 * item.champion)


@pytest.mark.parametrize(("change", "moved"), [(2.0, 0.0), (1.9, 0.0), (1.5, 1.0), (0.5, 1.0)])
def test_a_price_that_moves_as_newer_prices_say_has_not_moved(
    change: float, moved: float, bundle: Bundle, raw: Matrix
) -> None:
    moves = (Move(name="INLAND", change=change, pairs=100, senders=2),)

    found = price_traffic(_Bent(bundle, twice_inland), asked_of(bundle, raw), moves)

    assert {part.moved for part in found.parts if part.name.endswith("INLAND")} == {moved}


def test_a_row_without_a_price_and_new_warnings_are_counted(bundle: Bundle, raw: Matrix) -> None:
    asked = asked_of(bundle, raw)._replace(warned=np.zeros(len(raw), np.bool_))
    beyond = raw.copy()
    beyond[:150, COLUMNS.index("housing_median_age")] = 140

    bent = _Bent(bundle, lambda rows, price: np.where(rows[:, 2] == 140, np.nan, price))
    found = price_traffic(bent, asked._replace(raw=beyond), ())

    assert (found.not_finite, found.compared) == (150, 1350)
    assert found.newly_warned == pytest.approx(0.1, abs=0.02)


def test_without_a_champion_that_can_be_asked_nothing_moves(bundle: Bundle, raw: Matrix) -> None:
    found = price_traffic(bundle, Asked(raw, np.full(len(raw), np.nan), None), ())

    assert (found.compared, found.moved, found.newly_warned) == (0, None, None)
