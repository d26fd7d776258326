"""Where things are: storage, MLflow, W&B. From the environment (`HOUSING_*`) or a `.env` file.

The defaults are embedded: everything under one folder, no account and no server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class StorageSettings(BaseSettings):
    """The home folder and the storage: all that a cached stage asks for, in a fifth of the time."""

    model_config = SettingsConfigDict(
        env_prefix="HOUSING_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    home: Path = Field(
        default=Path(".housing"), description="Folder of all embedded state: data, runs, releases."
    )
    storage_block: str | None = Field(
        default=None,
        description="Prefect block for data, results and releases: gcs-bucket/NAME or "
        "local-file-system/NAME. Empty: the bucket, or else local files in the home folder.",
    )
    bucket: str | None = Field(
        default=None,
        pattern="^gs://[^/]+",
        description="Bucket for data, results and releases, such as gs://BUCKET/FOLDER. With a "
        "block of type gcs-bucket too, what `housing blocks register` writes into it.",
    )
    service_account_file: Path | None = Field(
        default=None,
        description="Key file of the service account that reads and writes the bucket. "
        "Empty: the machine's own identity.",
    )

    @property
    def storage_path(self) -> Path:
        """Folder of the local store: data, task results, bundles, releases."""
        return self.home.absolute() / "storage"

    @property
    def artifacts_path(self) -> Path:
        """Folder of what the embedded MLflow keeps beside its database."""
        return self.home.absolute() / "mlflow-artifacts"


class Settings(StorageSettings):
    """One person's or one machine's places; a value that is empty means the embedded default."""

    data_url: str | None = Field(default=None, description="Source of the raw data.")
    notification_url: SecretStr | None = Field(
        default=None,
        description="Webhook, such as Slack's, that is told of alerts, and of runs that failed, "
        "wait or are late. Empty: nobody is told.",
    )
    mlflow_tracking_uri: str | None = Field(
        default=None, description="MLflow server. Empty: SQLite in the home folder."
    )
    mlflow_page: str | None = Field(
        default=None,
        description="Address of MLflow's page, for links. Empty: that of its server.",
    )
    service_page: str | None = Field(
        default=None,
        description="Address of the service, for links to its operators' page. Empty: no links.",
    )
    optuna_storage: str | None = Field(
        default=None,
        description="Database of the sweeps, such as postgresql://user@host/name, which many "
        "machines share. Empty: SQLite in the home folder.",
    )
    dask_scheduler: str | None = Field(
        default=None,
        description="Dask cluster whose machines share the work, such as tcp://host:8786; `local` "
        "starts one on this machine. Empty: this process.",
    )

    require_same_code: bool = Field(
        default=False,
        description="Refuse a bundle that other feature code made, though it repeats its golden "
        "rows here.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="Private Ed25519 key in base64 that signs published bundles, and the channels "
        "when they move. Empty: they are not signed.",
    )

    @property
    def releases_path(self) -> Path:
        """Folder of the release channels and the published bundles."""
        return self.storage_path / "releases"

    @property
    def reports_path(self) -> Path:
        """Folder of the summaries and figures of retrains."""
        return self.home.absolute() / "reports"

    @property
    def optuna_url(self) -> str:
        """Database of the sweeps: the configured one, or SQLite in the home folder."""
        return self.optuna_storage or f"sqlite:///{self.home.absolute() / 'optuna.db'}"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI: the configured server, or SQLite in the home folder."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"


def at_home(home: Path, environ: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables that keep the libraries' own state in the home folder.

    What a person has set stays. A profile of theirs is another home's: Prefect reads none of it.
    Set them before the libraries are imported, which is when they look.

    >>> at_home(Path("/srv/housing"), {"PREFECT_HOME": "/srv/prefect"})["MPLCONFIGDIR"]
    '/srv/housing/cache/matplotlib'
    """
    root = home.absolute()
    wanted = {
        "PREFECT_HOME": root / "prefect",
        "PREFECT_PROFILES_PATH": root / "prefect" / "profiles.toml",
        "MPLCONFIGDIR": root / "cache" / "matplotlib",
        "WANDB_CACHE_DIR": root / "cache" / "wandb",
        "XDG_CACHE_HOME": root / "cache",  # ONNX Runtime, and the log of W&B's own process
    }
    if environ.get("PREFECT_HOME"):
        del wanted["PREFECT_PROFILES_PATH"]
    return {name: str(path) for name, path in wanted.items() if not environ.get(name)}


def unproxied(environ: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables by which no client sends what is for this machine to a proxy.

    >>> unproxied({"NO_PROXY": "example.com"})["no_proxy"]
    'example.com,127.0.0.1,localhost,::1'
    """
    named = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host for host in named.split(",") if host.strip()]
    hosts += [host for host in _LOOPBACK if host not in hosts]
    return dict.fromkeys(("no_proxy", "NO_PROXY"), "*" if "*" in hosts else ",".join(hosts))


def without_password(address: str) -> str:
    """Return an address that people may see.

    >>> without_password("postgresql://me:secret@db/mlflow")
    'postgresql://me@db/mlflow'
    """
    password = urlsplit(address).password
    return address.replace(f":{password}@", "@", 1) if password else address
