"""`python -m serve`: the service with the settings of the environment."""

from __future__ import annotations

import gc
import sys

gc.disable()  # imports make no garbage, and looking for it takes a tenth of them; see `serve.app`
# structlog imports rich where it is installed, for a terminal's colours: 0.3 s of CPU at each start
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]

from serve.server import main  # noqa: E402 - after the line above

if __name__ == "__main__":
    sys.exit(main())
