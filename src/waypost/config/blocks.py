"""What the blocks of the config consist of: the kinds of values, and what becomes of unknown keys."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _not_a_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 -- pydantic turns only a ValueError into a problem
    return value


Number = Annotated[float, BeforeValidator(_not_a_flag), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_not_a_flag)]
Share = Annotated[Number, Field(ge=0, le=1)]
Seconds = Annotated[Number, Field(gt=0, le=86_400)]
Tokens = Annotated[Whole, Field(ge=0, le=100_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]


class Open(BaseModel):
    """A block in LiteLLM's format: unknown keys stay."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Block(BaseModel):
    """A block of ours: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def switched(value: Any) -> Any:
    """A block's short forms: ``true`` is all of its defaults, ``false`` is no block."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value
