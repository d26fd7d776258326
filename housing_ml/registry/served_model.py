"""What MLflow loads and serves: the bundle's answer to rows that keep the contract, as the API's.

MLflow runs this file where it has the model, beside the code that made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from housing_ml.bundle.model import load_bundle
from housing_ml.data.contract import ContractError
from housing_ml.data.tabular import raw_rows

if TYPE_CHECKING:
    from housing_ml.bundle.model import Bundle


class PricedRows(PythonModel):
    """The bundle; it loads no pickle, and needs no scikit-learn."""

    bundle: Bundle

    def load_context(self, context: PythonModelContext) -> None:
        """Read the bundle, which proves itself."""
        self.bundle = load_bundle(context.artifacts["bundle"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - of MLflow's protocol
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002 - the same
    ) -> pd.DataFrame:
        """Return price, lower and upper bound in dollars, at_least and warnings of each row.

        Raises:
            MlflowException: when a column is missing, or a value breaks its rule; a server answers
                400 with its words.
        """
        try:
            raw = raw_rows(model_input)
        except ContractError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        found = self.bundle.predict_matrix(raw)
        said = {"at_least": self.bundle.is_open(found), "warnings": self.bundle.warnings_for(raw)}
        return pd.DataFrame({**found._asdict(), **said})


set_model(PricedRows())
