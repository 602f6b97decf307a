"""`prompt-search`: looks for a better prompt offline; the only calls are runs of variants."""

from devops_agent.synthesis.prompts.synthesizer import PromptSearchSynthesizer

__all__ = ["PromptSearchSynthesizer"]
