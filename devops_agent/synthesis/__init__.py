"""Synthesis: the port, and who stands behind it.

`repair` edits code and `prompt-search` prompts, both on the dev cases alone; `openai` asks a
language model.
"""

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
from devops_agent.synthesis.prompts import PromptSearchSynthesizer
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
    "PromptSearchSynthesizer",
    "RepairSynthesizer",
    "SynthesisContext",
    "SynthesisResult",
    "SynthesisStatistics",
    "Synthesizer",
    "Tools",
    "UnsupportedKindError",
]
