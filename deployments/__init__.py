"""Putting the platform somewhere: on this machine, on a Prefect server, in the cloud."""
