"""Synthesis: the port, `repair` on the dev cases alone, and `openai` with a language model."""

from devops_agent.synthesis.errors import BudgetExhaustedError, UnsupportedKindError
from devops_agent.synthesis.language import LanguageSynthesizer
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
    "LanguageSynthesizer",
    "Progress",
    "RepairSynthesizer",
    "SynthesisContext",
    "SynthesisResult",
    "SynthesisStatistics",
    "Synthesizer",
    "Tools",
    "UnsupportedKindError",
]
