"""What all errors of this package have in common that a person can mend."""


class HousingError(Exception):
    """Its message says what is wrong and what to do; a command shows it without a stack trace."""


_OWN = {"housing_ml", "serve", "flows", "deployments"}
_EXTRAS = {"distributed": "dask", "prefect_dask": "dask", "openpyxl": "excel"}
"""Which extra brings a library, where it is not the pipeline's."""


def lacking(error: ModuleNotFoundError) -> str | None:
    """Say which library is missing and what brings it; None where it is a module of our own.

    >>> lacking(ModuleNotFoundError(name="pandas.core"))
    "needs pandas: pip install 'housing-ml[pipeline]'"
    """
    name = (error.name or "").partition(".")[0]
    if not name or name in _OWN:
        return None
    return f"needs {name}: pip install 'housing-ml[{_EXTRAS.get(name, 'pipeline')}]'"
