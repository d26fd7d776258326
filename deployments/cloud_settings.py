"""What Google Cloud gives to a retrain that Prefect starts there: `HOUSING_CLOUD_*`, or `.env`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CloudSettings(BaseSettings):
    """The Cloud Run job of the deployment `retrain-cloud-run`; without an image there is none."""

    model_config = SettingsConfigDict(
        env_prefix="HOUSING_CLOUD_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    image: str | None = Field(
        default=None,
        description="The pipeline's image, such as REGISTRY/pipeline:v1.2.0. "
        "Empty: the deployment retrain-cloud-run is not registered.",
    )
    region: str = Field(default="europe-west1", description="Region of the job.")
    account: str | None = Field(
        default=None,
        description="Service account that the job runs as, such as "
        "housing-retrain@PROJECT.iam.gserviceaccount.com. Empty: the project's default one.",
    )
    data_url: str | None = Field(
        default=None,
        description="Source of the raw data for the job. Empty: HOUSING_DATA_URL, unless that is a "
        "path of this machine.",
    )
    mlflow_password_secret: str | None = Field(
        default=None,
        description="Secret of Secret Manager with MLflow's password; the name is "
        "MLFLOW_TRACKING_USERNAME of whoever deploys.",
    )
    prefect_auth_secret: str | None = Field(
        default=None,
        description="Secret of Secret Manager with PREFECT_API_AUTH_STRING. Empty: the worker's "
        "own string is given to the job in the clear.",
    )
