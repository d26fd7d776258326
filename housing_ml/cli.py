"""The `housing` command: the platform's tasks for people and scripts.

Exit codes: 0 done; 1 an error, with one message on standard error; 3 the gate rejected the model.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from housing_ml import __version__
from housing_ml.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from housing_ml.bundle import Bundle
    from housing_ml.config import RetrainConfig

GATE_REJECTED = 3
NO_CHAMPION = "there is no champion yet: type `housing retrain` or `make run`"

app = App(
    name="housing",
    help="California housing prices: from raw data to a served model, and its upkeep.",
    version=__version__,
)

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for scripts.")]


class CommandError(Exception):
    """A command that cannot do what it was asked; the message says why and what to type."""


@app.command
def retrain(  # noqa: PLR0913 - each is an option that a person types
    *,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    refresh: Annotated[bool, Parameter(negative="")] = False,
    synthetic_if_offline: Annotated[bool, Parameter(negative="")] = False,
    verbose: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> int:
    """Turn raw data into a model, and promote it when it passes the gate.

    Args:
        config: YAML or JSON file with what differs from the defaults.
        set_: One value, such as `--set sweep.trials=20`; may be given several times.
        refresh: Ignore the cache and compute every stage again.
        synthetic_if_offline: Use a synthetic sample when no source is configured and the public
            one cannot be reached.
        verbose: Show the libraries' own logs too.
        as_json: Print the result as JSON; progress goes to standard error.
    """
    from housing_ml.config import RetrainConfig  # noqa: PLC0415 - keeps `housing --help` quick

    chosen = RetrainConfig.load(config, set_)

    from flows.retrain import run_retrain  # noqa: PLC0415 - imports Prefect
    from housing_ml.source import SourceUnavailableError  # noqa: PLC0415 - as above

    run = partial(run_retrain, settings=Settings(), refresh=refresh, verbose=verbose)
    try:
        result = run(chosen)
    except SourceUnavailableError as error:
        if not synthetic_if_offline or chosen.data.url or Settings().data_url:
            raise
        _warn(f"{error}\nGOING ON WITH A SYNTHETIC SAMPLE: try the platform, do not price houses.")
        result = run(_synthetic(chosen))
    if as_json:
        print(result.model_dump_json(indent=2))
    else:
        _show(result.summary)
    return 0 if result.promoted else GATE_REJECTED


@app.command
def status(*, as_json: Json = False) -> int:
    """Show the models that the release channels point at.

    Args:
        as_json: Print JSON; `champion` is null when there is none.
    """
    from housing_ml.releases import open_releases, read_channels  # noqa: PLC0415 - as above
    from housing_ml.report import status_document, status_table  # noqa: PLC0415 - as above

    channels, _ = read_channels(open_releases(Settings()))
    document = status_document(channels)
    if as_json:
        print(json.dumps(document, indent=2))
    elif document["champion"] is None:
        raise CommandError(NO_CHAMPION)
    else:
        _show(status_table(document))
    return 0


@app.command
def predict(file: Path, *, out: Path | None = None, as_json: Json = False) -> int:
    """Predict the price of each row of a CSV or Parquet file with the champion.

    Args:
        file: Block groups with the columns of the contract.
        out: CSV or Parquet file for the rows with their predictions; standard output if empty.
        as_json: Print the predictions as JSON instead.
    """
    frame = _read_frame(file)
    scored = _score(_champion(), frame)
    if as_json:
        print(scored.to_json(orient="records", indent=2))
    elif out is None:
        scored.to_csv(sys.stdout, index=False)
    elif out.suffix == ".parquet":
        scored.to_parquet(out, index=False)
    else:
        scored.to_csv(out, index=False)
    return 0


@app.command
def serve(*, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> int:
    """Start the service on the champion.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes that answer requests.
    """
    from serve.server import main as serve_main  # noqa: PLC0415 - only this command needs Litestar

    return serve_main(host=host, port=port, workers=workers)


@app.command(name="config")
def show_config(
    *, schema: Annotated[bool, Parameter(negative="")] = False, config: Path | None = None
) -> int:
    """Print the config that a retrain would use, or the schema of all that can be turned.

    Args:
        schema: Print the JSON schema, with defaults, bounds and help texts.
        config: YAML or JSON file with what differs from the defaults.
    """
    from housing_ml.config import RetrainConfig  # noqa: PLC0415 - keeps `--help` quick

    chosen = RetrainConfig.load(config)
    document: Any = RetrainConfig.model_json_schema() if schema else chosen.model_dump(mode="json")
    print(json.dumps(document, indent=2))
    return 0


def main() -> None:
    """Run the command; an error that a person can mend is one line, without a stack trace."""
    try:
        sys.exit(app())
    except KeyboardInterrupt:
        sys.exit(130)
    except _expected_errors() as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


def _expected_errors() -> tuple[type[Exception], ...]:
    from housing_ml.config import ConfigError  # noqa: PLC0415 - after the command
    from housing_ml.contract import ContractError  # noqa: PLC0415
    from housing_ml.manifest import BundleError  # noqa: PLC0415
    from housing_ml.releases import ReleaseError  # noqa: PLC0415
    from housing_ml.source import SourceError  # noqa: PLC0415
    from housing_ml.storage import StorageError  # noqa: PLC0415

    return (
        *(CommandError, ConfigError, ContractError, BundleError),
        *(ReleaseError, SourceError, StorageError),
    )


def _synthetic(config: RetrainConfig) -> RetrainConfig:
    data = config.data.model_copy(update={"synthetic": True})
    return config.model_copy(update={"data": data})


def _champion() -> Bundle:
    from housing_ml.bundle import Bundle  # noqa: PLC0415 - keeps `--help` quick
    from housing_ml.releases import fetch_bundle, open_releases, read_channels  # noqa: PLC0415

    releases = open_releases(Settings())
    channels, _ = read_channels(releases)
    champion = channels.channels.get("champion")
    if champion is None:
        raise CommandError(NO_CHAMPION)
    return Bundle(fetch_bundle(releases, champion.bundle))


def _score(bundle: Bundle, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with price and interval in dollars.

    Raises:
        ContractError: when a row breaks the contract.
    """
    from housing_ml.contract import COLUMNS, ContractError, check, to_matrix  # noqa: PLC0415

    breaches = check(frame, COLUMNS)
    if breaches:
        found = [violation for breach in breaches for violation in breach.violations()]
        lines = [
            f"row {item.row}, {item.column}: {item.value!r} {item.rule}" for item in found[:10]
        ]
        raise ContractError(f"{len(found):,} values break the contract:\n" + "\n".join(lines))
    prediction = bundle.predict_matrix(to_matrix(frame))
    return frame.assign(
        predicted_price=prediction.price.round(2),
        lower=prediction.lower.round(2),
        upper=prediction.upper.round(2),
    )


def _read_frame(file: Path) -> pd.DataFrame:
    from housing_ml.source import read_source  # noqa: PLC0415 - keeps `--help` quick
    from housing_ml.table_file import read_table  # noqa: PLC0415 - the same

    return read_table(str(file), read_source(str(file), None))


def _warn(message: str) -> None:
    Console(stderr=True).print(message, style="bold yellow", markup=False, soft_wrap=True)


def _show(markdown: str) -> None:
    from rich.markdown import Markdown  # noqa: PLC0415 - only people read it

    Console().print(Markdown(markdown))


if __name__ == "__main__":
    main()
