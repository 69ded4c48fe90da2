"""Which dialect a path speaks: an error there comes in its shape, wherever it is found."""

from __future__ import annotations

from waypost.dialects import ollama, openai
from waypost.dialects.dialect import Dialect


def spoken_at(path: str) -> Dialect:
    """Ollama's paths are below ``/api``; everything else answers as OpenAI does."""
    return ollama.CHAT if path.startswith("/api/") else openai.CHAT
