"""Commands about Prefect's blocks: `blocks register`."""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

from cyclopts import App

from housing_ml.settings import Settings

blocks = App(name="blocks", help="The Prefect blocks that the settings name.")


@blocks.command
def register() -> int:
    """Create or update the blocks on the configured Prefect server."""
    from housing_ml.orchestration.runs import session
    from housing_ml.storage.blocks import register_blocks

    with session():
        names = list(register_blocks(Settings()))
    print("\n".join(names) or "no block is named: everything is in the home folder")
    return 0
