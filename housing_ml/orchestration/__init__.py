"""How work runs: Prefect, its cache and locks, Dask, W&B, and which code it was."""
