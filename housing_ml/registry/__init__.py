"""The record of every model, in MLflow and W&B."""
