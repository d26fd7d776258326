"""`python -m serve`: the service with the settings of the environment."""

from __future__ import annotations

import sys

from serve.server import main

if __name__ == "__main__":
    sys.exit(main())
