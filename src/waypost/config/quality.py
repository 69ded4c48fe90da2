"""The blocks about quality: where the estimates come from, and the pairs of models that RouteLLM's names choose from."""

from __future__ import annotations

from pydantic import Field

from waypost.config.blocks import Block, FilePath, Name
from waypost.decide.policy import RouterPair, WinRateSource


class QualitySettings(Block):
    """What is expected of answers before they are asked for. Nothing is read before a dial or the like needs it."""

    enabled: bool = Field(
        default=True,
        description="Estimate the quality and the length of answers. Without it, only what the config states counts.",
    )
    artefact: FilePath | None = Field(
        default=None,
        description="The folder that `waypost train quality` wrote, relative to the current one. Unset: what is shipped.",
    )


class RouterPairBlock(Block):
    """Two models between which `router-NAME-THRESHOLD` chooses."""

    strong: Name = Field(description="The group that is asked where its win rate reaches the threshold.")
    weak: Name = Field(description="The group that is asked otherwise.")
    router: WinRateSource = Field(
        default=RouterPair("", "").router,
        description="Who says the win rate: `waypost`, by its estimates, or `routellm`, by the router of the pair's name.",
    )
    checkpoint: FilePath | None = Field(
        default=None, description="The folder of RouteLLM's router on this machine, where `router` is `routellm`."
    )
