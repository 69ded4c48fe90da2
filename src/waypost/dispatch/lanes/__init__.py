"""A lane for each kind of engine, all giving the same events."""

from __future__ import annotations

from collections.abc import Mapping

from waypost.dispatch.events import Lane


def open_lanes() -> Mapping[str, Lane]:
    """One of each lane, by the name that a deployment gives; ``embedding`` is for what is no chat, whoever serves it.

    They belong to the event loop that first uses them.
    """
    # Imported here: the HTTP client takes as long to load as all the rest, and who only decides never needs it.
    from waypost.dispatch.lanes.embedding import EmbeddingLane  # noqa: PLC0415 -- see above
    from waypost.dispatch.lanes.litellm import LiteLlmLane  # noqa: PLC0415 -- see above
    from waypost.dispatch.lanes.ollama import OllamaLane  # noqa: PLC0415 -- see above
    from waypost.dispatch.lanes.openai import OpenAiLane  # noqa: PLC0415 -- see above
    from waypost.dispatch.lanes.simulated import SimulatedLane  # noqa: PLC0415 -- see above

    library = LiteLlmLane()
    return {
        "openai": OpenAiLane(),
        "ollama": OllamaLane(),
        "litellm": library,
        "simulated": SimulatedLane(),
        "embedding": EmbeddingLane(library),
    }
