"""California housing prices: from raw data to a served model.

In a notebook:

    from housing_ml import fit, load_bundle

    bundle = fit(train_frame)           # raw columns with the target; nothing is written
    bundle.predict(frame)               # dollars
    bundle.predict_interval(frame)      # dollars, lower and upper
    bundle.save("model")
    load_bundle("model").predict(frame)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from housing_ml.bundle.model import load_bundle
    from housing_ml.notebook import fit

__all__ = ["__version__", "fit", "load_bundle"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import the public functions on first use: a service must not pay for scikit-learn."""
    if name == "fit":
        try:
            from housing_ml.notebook import fit  # noqa: PLC0415
        except ModuleNotFoundError as error:
            from housing_ml.errors import lacking  # noqa: PLC0415

            raise ImportError(f"fit {lacking(error) or error}") from error
        return fit
    if name == "load_bundle":
        from housing_ml.bundle.model import load_bundle  # noqa: PLC0415

        return load_bundle
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
