"""The gate's decision as a picture: each check's value as a share of its limit."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from housing_ml.reporting.drawing import BLUE, GREY, INK, ORANGE, VERMILION, canvas, png

if TYPE_CHECKING:
    from housing_ml.records.gate import Check, GateDecision

_COLOURS = {"pass": BLUE, "fail": VERMILION, "ask": ORANGE}
_WORDS = {"pass": "passed", "fail": "failed", "ask": "asks"}
_WIDEST = 1.5
"""Shares beyond it are drawn so long."""


def gate_picture(decision: GateDecision) -> bytes:
    """Draw the checks that applied, the failed ones first."""
    order = ["fail", "ask", "pass"]
    checks = sorted(
        (check for check in decision.checks if check.verdict in order),
        key=lambda check: order.index(check.verdict),
    )
    figure, axes = canvas("Checks: value as a share of its limit", height=0.9 + 0.22 * len(checks))
    places = np.arange(len(checks))
    colours = [_COLOURS[check.verdict] for check in checks]
    shares = [_share(check) for check in checks]
    axes.barh(places, shares, color=colours, height=0.66)
    axes.axvline(1, color=INK, linewidth=1)
    for place, check in zip(places, checks, strict=True):
        words = _WORDS[check.verdict]
        axes.text(_WIDEST + 0.02, float(place), words, va="center", fontsize=8, color=INK)
    names = [f"{check.code} {check.title}" for check in checks]
    axes.set_yticks(places, names, fontsize=8)
    axes.set_ylim(len(checks) - 0.5, -0.5)
    axes.set_xlim(0, _WIDEST)
    axes.set_xlabel("the line is the limit; where both are no numbers there is no bar", color=GREY)
    axes.grid(visible=False, axis="y")
    return png(figure)


def _share(check: Check) -> float:
    if check.value is None or not check.limit or not isfinite(check.value / check.limit):
        return 0.0
    return float(np.clip(check.value / check.limit, 0.0, _WIDEST))
