"""Google Cloud Storage for the containers: the tests' emulator, on disk, open to all who reach it.

Of the real image's options it takes where data are, and which folder names the buckets.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcs_emulator import Emulator, _Handler, _Server, _Storage


class Open(_Handler):
    """Asks nobody for a token."""

    def _is_authorized(self) -> bool:
        return True


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-port", type=int)
    parser.add_argument("-data", type=Path)
    parser.add_argument("-filesystem-root", type=Path)
    options, _ = parser.parse_known_args()
    state = Emulator()
    state.storage = _Storage(data_dir=str(options.filesystem_root))
    for bucket in options.data.iterdir():
        create_bucket(bucket.name, state.storage)
    sys.stderr.write("ready\n")
    _Server(("", options.port), partial(Open, state)).serve_forever()


if __name__ == "__main__":
    main()
