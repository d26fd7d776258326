"""May this model be promoted? A pure decision: a frozen record of evidence in, coded checks out.

Every check must pass or not apply. A value that improves never turns a pass into a fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.gate import equity_rules, model_rules, service_rules, slice_rules
from housing_ml.gate import traffic_rules as traffic
from housing_ml.gate import trust_rules as trust
from housing_ml.gate.records import GateEvidence, Rule
from housing_ml.records.gate import GateDecision

if TYPE_CHECKING:
    from housing_ml.config.gate import GateConfig


STANDING = "G09"
"""The check that says how the candidate stands to the champion."""


def decide(evidence: GateEvidence, config: GateConfig) -> GateDecision:
    """Judge the evidence by every rule; promote when none fails or asks a person."""
    checks = tuple(rule.check(evidence, config) for rule in RULES)
    failures = tuple(check.reason for check in checks if check.verdict == "fail")
    standing = tuple(check.reason for check in checks if check.code == STANDING)
    questions = tuple(check.reason for check in checks if check.verdict == "ask")
    return GateDecision(
        promote=not failures and not questions,
        ask=bool(questions) and not failures,
        checks=checks,
        reasons=failures or questions or standing,
        traffic=evidence.traffic,
    )


_PARTS = "Look at the slice's rows; more or newer data of it help most."
_BEHAVIOUR = "Look at the rows whose price moves most, and at the features that move it."
_DATA = "Look at the prices that came, then promote with `housing promote`, or refuse them."
_EQUITY = "Look at the ratios of the cheapest and the dearest rows of the part."
_TRAFFIC = "Look at the logged rows that move most: the report lists ten, with both prices."

RULES = (
    Rule("G01", "RMSE", "Improve the model, or reconsider gate.max_rmse.", model_rules.rmse),
    Rule("G02", "R2", "Improve the model, or reconsider gate.min_r2.", model_rules.r2),
    Rule("G03", "MAPE", "Improve the model, or reconsider gate.max_mape.", model_rules.mape),
    Rule(
        "G04",
        "Interval coverage",
        "Look for a shift between the training rows and the holdout: the calibration assumes none.",
        model_rules.coverage,
    ),
    Rule(
        "G05",
        "Golden rows",
        "Train again, and see whether the storage is damaged.",
        model_rules.golden,
    ),
    Rule(
        "G06",
        "No skew",
        "Compare the features and the exported trees with the pipeline on the row that differs.",
        model_rules.skew,
    ),
    Rule("G07", "Provenance", "Train on real data: set data.url.", model_rules.provenance),
    Rule(
        "G08",
        "New content",
        "Nothing to do: the model is in service already.",
        model_rules.novelty,
    ),
    Rule(
        "G09",
        "Better than the champion",
        "Keep the champion, or bring more data, better features or a longer sweep.",
        model_rules.gain,
    ),
    Rule("G10", "Error by slice", _PARTS, slice_rules.slice_error),
    Rule("G11", "Slices against the champion", _PARTS, slice_rules.slice_loss),
    Rule("G12", "Coverage by slice", _PARTS, slice_rules.slice_coverage),
    Rule("G13", "More income, no lower price", _BEHAVIOUR, service_rules.income),
    Rule("G14", "Small moves on the map", _BEHAVIOUR, service_rules.map_step),
    Rule("G15", "Order of rows", _BEHAVIOUR, service_rules.row_order),
    Rule("G16", "Missing bedrooms", _BEHAVIOUR, service_rules.missing_bedrooms),
    Rule(
        "G17",
        "Latency",
        "Choose fewer or smaller trees, or measure again on a quiet machine.",
        service_rules.latency,
    ),
    Rule("G18", "Bundle size", "Choose fewer or smaller trees.", service_rules.size),
    Rule(
        "G19",
        "Committed and locked",
        "Commit the changes, type `make install`, and train again.",
        service_rules.code,
    ),
    Rule(
        "G20",
        "Not rolled back",
        "Train on other data or with another config, or type `housing rollback --to` to take the "
        "model back into service.",
        service_rules.withdrawn,
    ),
    Rule("G21", "Enough rows", "Bring more rows, or lower the gate's minimum.", trust.enough_rows),
    Rule(
        "G22",
        "The champion's own world",
        "Look at which rows were re-priced or replaced, and by whose feedback.",
        trust.old_world,
    ),
    Rule("G23", "A champion that makes sense", _DATA, trust.sane_champion),
    Rule("G24", "Rows that feedback replaced", _DATA, trust.replaced_share),
    Rule("G25", "What the loop may do by itself", _DATA, trust.autonomy),
    Rule("G26", "Like houses alike (COD)", _EQUITY, equity_rules.cod),
    Rule("G27", "Cheap and dear alike (PRD)", _EQUITY, equity_rules.prd),
    Rule("G28", "Cheap and dear alike (PRB)", _EQUITY, equity_rules.prb),
    Rule("G29", "A price for every logged row", _TRAFFIC, traffic.finite),
    Rule("G30", "Prices of logged rows", _TRAFFIC, traffic.moved),
    Rule("G31", "New warnings on logged rows", _TRAFFIC, traffic.warned),
)
"""Every rule in the order of its code."""
