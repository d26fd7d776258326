"""What an older version wrote is read; what a newer one wrote is refused with what it needs."""

from __future__ import annotations

import pytest

from housing_ml.formats import Format, Stamp

HERE = Format(3, needs="0.4.0")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_format_that_is_known_is_read(number: int) -> None:
    assert not HERE.refusal("it", Stamp(number, "0.1.0"))


def test_a_newer_format_is_refused_with_the_version_that_reads_it() -> None:
    said = HERE.refusal("it", Stamp(4, "0.7.0"))
    assert said.startswith("it: format 4, but this code reads format 3: it needs a newer version")
    assert said.endswith("install housing-ml 0.7.0, or a later one")


def test_a_newer_format_that_names_no_version_is_refused_too() -> None:
    assert "install the version that wrote it, or a later one" in HERE.refusal("it", Stamp(4))
