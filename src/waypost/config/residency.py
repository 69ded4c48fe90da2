"""The block ``policy.residency``: how much it counts what is loaded."""

from __future__ import annotations

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from waypost.config.blocks import Block, Seconds, Share
from waypost.decide.policy import ResidencyRules

_RULES = ResidencyRules()


class ResidencySettings(Block):
    """What quality is given up for not waiting until a model is loaded; `false` for none, whatever is loaded."""

    band: Share = Field(
        default=_RULES.band, description="A loaded model whose quality is within this of the route's best is asked first."
    )
    chat_band: Share = Field(
        default=_RULES.chat_band, description="The same for the route `chat` and the channel `voice`, where waiting is worse."
    )
    order_step: Share = Field(
        default=_RULES.order_step,
        description="How much worse a place down a route's list counts, where no `model_info.waypost.quality` is stated.",
    )
    quality_per_s: Share = Field(default=_RULES.quality_per_s, description="The quality that a second of waiting is worth.")
    margin: Share = Field(
        default=_RULES.margin,
        description="The quality that a load has to gain besides; it shrinks with each request that waits for the same model.",
    )
    spill_s: Seconds | None = Field(
        default=_RULES.spill_s,
        description="Where every local candidate would take longer, one that is not local is asked first. Unset: never.",
    )
    batch_s: Seconds = Field(
        default=_RULES.batch_s,
        description="How long requests to a loaded model may overtake one for which another model takes its place.",
    )

    def rules(self) -> ResidencyRules:
        """The same for decisions."""
        return ResidencyRules(**dict(self))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema knows the short form too."""
        return {"anyOf": [{"type": "boolean"}, handler.resolve_ref_schema(handler(core))]}
