"""A prediction id proves whom it was given, and cannot be guessed."""

from __future__ import annotations

import numpy as np
import pytest

from housing_ml.feedback.prediction_ids import PredictionIds

RAW = np.arange(180.0).reshape(20, 9)


def test_an_id_is_known_to_replicas_and_only_for_its_caller() -> None:
    names = PredictionIds([b"shared"]).issue("agency", "42", RAW)

    replica = PredictionIds([b"new", b"shared"])
    assert len(set(names)) == 20
    assert all(replica.was_given(name, "agency") for name in names)
    assert not any(replica.was_given(name, caller) for name in names for caller in ("", "other"))
    assert not any(PredictionIds([b"another"]).was_given(name, "agency") for name in names)


@pytest.mark.parametrize("place", range(0, 48, 5))
def test_an_id_that_was_changed_anywhere_was_never_given(place: int) -> None:
    ids = PredictionIds([b"key"])
    (name,) = ids.issue("agency", "42", RAW[:1])
    changed = name[:place] + ("0" if name[place] != "0" else "1") + name[place + 1 :]

    assert not ids.was_given(changed, "agency")
    assert not any(
        ids.was_given(text, "agency") for text in ("", "a", "zz", name[:-2], name + "00")
    )


def test_one_answer_tells_nothing_of_the_next() -> None:
    ids = PredictionIds([b"key"])
    names = [ids.issue("agency", "42", RAW[:1])[0] for _ in range(1000)]

    assert len({name[14:28] for name in names}) == 1000
    assert len(ids.issue("agency", "42", RAW[:0])) == 0
