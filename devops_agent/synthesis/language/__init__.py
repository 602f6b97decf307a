"""Synthesis by language models: a model proposes edits, the dev cases decide."""

from devops_agent.synthesis.language.synthesizer import LanguageSynthesizer

__all__ = ["LanguageSynthesizer"]
