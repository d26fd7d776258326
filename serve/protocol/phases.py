"""What a connection waits for, and when it may read."""

from __future__ import annotations

from enum import Enum, auto

from uvicorn.protocols.http.flow_control import FlowControl


class Phase(Enum):
    """Who is waited for, and what for."""

    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    IDLE = auto()
    ENDING = auto()


class Flow(FlowControl):
    """Reading stays paused while `held`, whoever asks for more."""

    held = False

    def resume_reading(self) -> None:
        """Read on, unless held."""
        if not self.held:
            super().resume_reading()
