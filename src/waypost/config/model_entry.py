"""The blocks of ``model_list``: deployments in LiteLLM's words."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from waypost.config.blocks import Block, Name, Number, Open, Share, Tokens, Whole


class WaypostInfo(Block):
    """What only Waypost wants to know of a deployment."""

    local: bool | None = Field(
        default=None,
        description="Whether the deployment is yours, so that private requests may reach it. Unset: it is, if the host of "
        "`api_base` is `localhost`, a loopback address or a private address.",
    )
    quality: dict[Name, Share] | Share | None = Field(
        default=None,
        description="The share of good answers, from 0 to 1, as you measured it: one number, or one for each route, with `*` "
        "for all others. Unset: the order of a route's candidates says who is better.",
    )


class ModelInfo(Open):
    """What the model can do."""

    id: str | int | None = Field(
        default=None, description="The deployment's id. Unset: its `model_name`, numbered if there are several."
    )
    mode: str | None = Field(default=None, description="`chat`, `embedding`, or another of LiteLLM's modes.")
    base_model: str | None = Field(default=None, description="The name under which prices and windows are looked up.")
    max_input_tokens: Tokens | None = Field(
        default=None, description="The window, where `num_ctx` does not say what is allocated."
    )
    max_output_tokens: Tokens | None = Field(default=None, description="The longest answer.")
    max_tokens: Tokens | None = Field(default=None, description="The window, where nothing above says it.")
    input_cost_per_token: Number | None = Field(default=None, ge=0, description="US dollars for a token of the prompt.")
    output_cost_per_token: Number | None = Field(default=None, ge=0, description="US dollars for a token of the answer.")
    cache_read_input_token_cost: Number | None = Field(
        default=None, ge=0, description="US dollars for a prompt token from the cache."
    )
    supports_vision: bool | None = Field(default=None, description="It takes images.")
    supports_function_calling: bool | None = Field(default=None, description="It calls tools.")
    supports_response_schema: bool | None = Field(default=None, description="It holds an answer to a JSON schema.")
    supports_reasoning: bool | None = Field(default=None, description="It can think before it answers.")
    supports_audio_input: bool | None = Field(default=None, description="It takes sound.")
    supports_pdf_input: bool | None = Field(default=None, description="It takes documents.")
    waypost: WaypostInfo = Field(default_factory=WaypostInfo, description="What only Waypost wants to know.")


class LiteLLMParams(Open):
    """Where the model is and how it is called; any other key is a setting that goes with every request."""

    model: Name = Field(description="`provider/model`, such as `ollama_chat/qwen3:8b` or `openai/gpt-4o`.")
    api_base: str | None = Field(
        default=None, description="The engine's address. `${NAME}` and `os.environ/NAME` are filled in."
    )
    api_key: str | tuple[str, ...] | None = Field(default=None, description="`os.environ/NAME` or `${NAME}`; or several.")
    timeout: Number | str | None = Field(default=None, description="Seconds for the whole answer.")
    stream_timeout: Number | str | None = Field(default=None, description="Seconds to the first byte of an answer.")
    weight: Number | None = Field(default=None, gt=0, description="The share of this replica among those of its `model_name`.")
    max_parallel_requests: Whole | None = Field(
        default=None, ge=1, description="Calls at once; more go to the next candidate, or wait for `policy.slot_wait_s`."
    )


class ModelEntry(Open):
    """One deployment, in LiteLLM's words."""

    model_name: Name = Field(description="The name that routes and clients use; replicas share it. `*` makes it a pattern.")
    litellm_params: LiteLLMParams = Field(description="Where the model is and how it is called.")
    model_info: ModelInfo | None = Field(default=None, description="What the model can do.")


class Credential(Open):
    """Values that several deployments share through ``litellm_credential_name``."""

    credential_name: Name = Field(description="The name that `litellm_params.litellm_credential_name` uses.")
    credential_values: dict[str, Any] | None = Field(default=None, description="Keys of `litellm_params`.")
