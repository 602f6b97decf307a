"""Synthesis: the port of all synthesizers, and `repair`, which needs nothing but the dev cases."""

from devops_agent.synthesis.errors import BudgetExhaustedError, UnsupportedKindError
from devops_agent.synthesis.port import (
    Candidate,
    CaseScore,
    DevCase,
    DevEvaluator,
    EditRecord,
    Evaluation,
    Progress,
    SynthesisContext,
    SynthesisResult,
    SynthesisStatistics,
    Synthesizer,
    Tools,
)
from devops_agent.synthesis.repair import RepairSynthesizer

__all__ = [
    "BudgetExhaustedError",
    "Candidate",
    "CaseScore",
    "DevCase",
    "DevEvaluator",
    "EditRecord",
    "Evaluation",
    "Progress",
    "RepairSynthesizer",
    "SynthesisContext",
    "SynthesisResult",
    "SynthesisStatistics",
    "Synthesizer",
    "Tools",
    "UnsupportedKindError",
]
