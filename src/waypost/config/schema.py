"""The schema of the config: every key with its type, default and meaning.

It is the one table that feeds the loader, ``waypost config schema`` and ``docs/config.md``. Blocks in LiteLLM's format are
open: what LiteLLM allows is allowed here. Our own are closed: an unknown key is a mistake.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from waypost.addresses import is_loopback
from waypost.config.blocks import Block, FilePath, Name, Number, Seconds, Share, Tokens, Whole, switched
from waypost.config.discovery import DiscoverySettings
from waypost.config.model_entry import Credential, ModelEntry
from waypost.config.quality import QualitySettings, RouterPairBlock
from waypost.config.residency import ResidencySettings
from waypost.decide.correction import MOST, PER_CALLER
from waypost.decide.labels import TASKS
from waypost.decide.policy import Balancing, ClientLoadOptions, Policy, Verify
from waypost.fleet.deployment import Timeouts

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# Defaults that other rooms own: the schema repeats none of them.
_RULES = Policy(version="", routes={})
_DEADLINES = Timeouts()


def _off(value: Any) -> Any:
    return "off" if value is False else value  # YAML 1.1 reads `off` as false


Checked = Annotated[Verify, BeforeValidator(_off)]


def _says_something(text: str) -> str:
    if not any(map(str.isalpha, text)):
        raise ValueError("an example must say something, in letters")
    return text


Example = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_says_something)]
FEWEST_EXAMPLES, MOST_EXAMPLES = 5, 50
MOST_EXPLORED = 0.2


class NeedsBlock(Block):
    """What the turns of a route need."""

    context: Tokens | None = Field(
        default=None,
        description="Turns whose prompt and answer have more tokens than this take this route, whatever their text asks.",
    )


class CacheSettings(Block):
    """How much the response cache keeps, in memory, for the routes that have one."""

    ttl_s: Seconds = Field(default=300.0, description="Seconds that an answer is kept, where its route does not say it.")
    max_entries: Whole = Field(default=1000, ge=1, le=10_000_000, description="Answers that are kept.")
    max_bytes: Whole = Field(
        default=64 * 2**20,
        ge=1024,
        le=2**40,
        description="Bytes that all answers may take; who was not asked for longest leaves.",
    )
    max_answer_bytes: Whole = Field(
        default=2**20, ge=1024, le=2**30, description="Bytes of one answer; a larger one is not kept."
    )


class RouteCache(Block):
    """That the answers of a route are kept. ``true`` is short for all defaults, ``false`` for no cache."""

    ttl_s: Seconds | None = Field(default=None, description="Seconds that an answer is kept. Unset: `cache.ttl_s`.")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema knows the short form too."""
        return {"anyOf": [{"type": "boolean"}, handler.resolve_ref_schema(handler(core))]}


class RouteBlock(Block):
    """Where turns of one kind go. A plain list is short for ``candidates``."""

    candidates: tuple[Name, ...] = Field(
        default=("*",),
        min_length=1,
        description="Groups, deployment ids or `provider/model`, best first; `*` is everything else.",
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Laid over the request, such as `temperature: 0.2`.")
    private: bool = Field(default=False, description="Keep the route on local deployments.")
    needs: NeedsBlock = Field(default_factory=NeedsBlock, description="What the turns of this route need.")
    cache: RouteCache | None = Field(
        default=None, description="Answer from memory who asks the same again: `true`, or a mapping."
    )
    description: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="A line on what the route is for. Beside `examples`, it is a weaker example itself."
    )
    examples: tuple[Example, ...] = Field(
        default=(),
        description=f"{FEWEST_EXAMPLES} to {MOST_EXAMPLES} requests of a task of your own: turns that are like them take this "
        "route.",
        json_schema_extra={"minItems": FEWEST_EXAMPLES, "maxItems": MOST_EXAMPLES},
    )
    verify: Checked | None = Field(default=None, description="The same as `policy.verify`, for this route.")
    band: Share | None = Field(default=None, description="The same as `policy.residency.band`, for this route.")
    cost_quality: Share | None = Field(default=None, description="The same as `policy.cost_quality`, for this route.")
    quality_floor: Share | None = Field(default=None, description="The same as `policy.quality_floor`, for this route.")
    explore: Annotated[Number, Field(ge=0, le=MOST_EXPLORED)] = Field(
        default=0.0, description=f"The share of turns whose first candidate is drawn, at most {MOST_EXPLORED}."
    )

    @model_validator(mode="before")
    @classmethod
    def _list_is_candidates(cls, value: Any) -> Any:
        return {"candidates": value} if isinstance(value, list) else value

    @field_validator("cache", mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        return switched(value)

    @field_validator("examples")
    @classmethod
    def _enough_to_learn_from(cls, examples: tuple[str, ...]) -> tuple[str, ...]:
        """Each once: what differs in case and blanks only is the same example."""
        said = {text: " ".join(_CONTROL.sub(" ", text).split()).casefold() for text in examples}
        first: dict[str, str] = {}
        for text, words in said.items():
            first.setdefault(words, text)
        kept = tuple(first.values())
        if not FEWEST_EXAMPLES <= len(kept) <= MOST_EXAMPLES:
            raise ValueError(f"needs {FEWEST_EXAMPLES} to {MOST_EXAMPLES} different examples, and has {len(kept)}")
        return kept

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema knows the short form too."""
        full = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, full]}


class TimeoutSettings(Block):
    """Deadlines of one attempt, where a deployment names none."""

    connect_s: Seconds = Field(default=_DEADLINES.connect_s, description="Seconds to connect to an engine.")
    first_byte_s: Seconds = Field(
        default=_DEADLINES.first_byte_s, description="Seconds to the first byte; a local model may have to load."
    )
    idle_s: Seconds = Field(default=_DEADLINES.idle_s, description="Seconds of silence in the middle of an answer.")
    total_s: Seconds = Field(default=_DEADLINES.total_s, description="Seconds for the whole answer.")
    min_tokens_per_s: Annotated[Number, Field(gt=0, le=1000)] | None = Field(
        default=_DEADLINES.min_tokens_per_s,
        description="How slow a stream may become once it has begun, over ten seconds of waiting for the engine. Unset: as it "
        "likes.",
    )


def _p95_or_seconds(value: Any) -> Any:
    if value == "p95" or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86_400):
        return value
    raise ValueError("must be `p95` or a number of seconds")


class HedgeSettings(Block):
    """Asking another deployment beside one that is slow."""

    after: Annotated[Literal["p95"] | Seconds, BeforeValidator(_p95_or_seconds)] = Field(
        default="p95",
        description="Seconds to wait for the first output, or for the whole of an answer that is not streamed; `p95` is what "
        "19 of 20 answers of the deployment took lately.",
    )


class PolicySettings(Block):
    """Rules of every decision and every call."""

    default_route: Name = Field(default=_RULES.default_route, description="The route for turns whose task is not clear.")
    cost_quality: Share | None = Field(
        default=None,
        description="How candidates are ordered, from 0 (the cheapest first) to 1 (the best first). Unset: as the route says.",
    )
    quality_floor: Share | None = Field(
        default=None,
        description="How much worse than the best the first candidate may be, by the lower bound of its quality. Unset: any.",
    )
    channel_routes: dict[Name, Name] = Field(
        default_factory=dict,
        description="The same for a channel, which the header `x-waypost-channel` names; case does not count.",
    )
    answer_tokens: Tokens = Field(
        default=_RULES.answer_tokens, description="The length of an answer for which the caller set no cap."
    )
    headroom_tokens: Tokens = Field(default=_RULES.headroom_tokens, description="Tokens of a window that stay free.")
    default_fallbacks: tuple[Name, ...] = Field(
        default=(), description="Who is asked when all candidates and their fallbacks failed."
    )
    last_resort: tuple[Name, ...] = Field(
        default=(), description="Who is asked although it is down or cools, when all candidates and their fallbacks are."
    )
    retry_budget: Annotated[Number, Field(ge=0, le=10)] = Field(
        default=0.2,
        description="What retries and fail-overs to failing engines may add to all calls; ten in ten seconds they always may.",
    )
    slot_wait_s: Annotated[Number, Field(ge=0, le=86_400)] = Field(
        default=30.0, description="Seconds that a request waits where every candidate has as many calls as it takes."
    )
    balancing: Balancing = Field(
        default=_RULES.balancing,
        description="How the replicas of a group share its requests: `least_busy`, `weighted` or `latency`.",
    )
    group_balancing: dict[Name, Balancing] = Field(
        default_factory=dict, description="The same for single groups, by their `model_name`."
    )
    session_affinity: bool = Field(
        default=_RULES.session_affinity,
        description="A conversation goes to the replica that answered it last, unless that one is much busier than the others.",
    )
    hedge: HedgeSettings | None = Field(
        default=None, description="Ask another deployment beside one that is slow. Unset: never."
    )
    timeouts: TimeoutSettings = Field(default_factory=TimeoutSettings, description="Deadlines of one attempt.")
    commit_max_bytes: Whole = Field(
        default=2**20, ge=1024, le=1 << 30, description="Bytes of an answer held back before its first output."
    )
    commit_max_events: Whole = Field(
        default=256, ge=1, le=1_000_000, description="Events of a stream held back before its first output."
    )
    commit_max_s: Seconds = Field(default=600.0, description="Seconds to the first output, before another deployment is asked.")
    residency: ResidencySettings | None = Field(
        default_factory=ResidencySettings, description="How much it counts which models are loaded; `off`: not at all."
    )
    verify: Checked = Field(
        default=_RULES.verify,
        description="`tools`: an answer that may call tools is held back whole, and one whose calls fail their check is asked "
        "for once more. `off`: it is checked when it has gone out.",
    )
    client_load_options: ClientLoadOptions = Field(
        default=_RULES.client_load_options,
        description="What becomes of load-time options such as `num_ctx` that a client sends: `ignore`, or `allow`, which lets "
        "every client load a model again for everybody.",
    )

    @field_validator("residency", mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        return switched(value)

    @property
    def hedge_after(self) -> float | Literal["p95"] | None:
        """When another deployment is asked beside a slow one; ``None``: never."""
        return None if self.hedge is None else self.hedge.after


class ServerSettings(Block):
    """Where and how the server listens."""

    host: Name = Field(default="127.0.0.1", description="The address to listen on.")
    port: Whole = Field(default=4100, ge=0, le=65_535, description="The port to listen on; 0 takes any free one.")
    allow_unauthenticated_lan: bool = Field(
        default=False, description="Listen beyond loopback, although the server asks nobody for a key."
    )
    allowed_hosts: tuple[Name, ...] = Field(
        default=(), description="Host names that clients may use, besides addresses and `localhost`."
    )
    max_body_bytes: Whole = Field(
        default=64 * 2**20,
        ge=1024,
        le=2**31,
        description="The largest request; the default holds a prompt of a million tokens.",
    )
    receive_timeout_s: Seconds = Field(default=60.0, description="Seconds to receive a whole request, headers and body.")
    send_timeout_s: Seconds = Field(
        default=60.0, description="Seconds that a client may take nothing of its answer while more is waiting."
    )
    ping_s: Seconds | None = Field(
        default=None,
        description="Seconds between comments in a stream whose answer has not begun, for proxies that cut silent connections. "
        "Unset: none.",
    )
    reload_s: Seconds = Field(default=2.0, description="Seconds between two looks at the config file.")
    shutdown_s: Seconds = Field(default=30.0, description="Seconds that running answers get when the server stops.")

    @model_validator(mode="after")
    def _loopback_or_allowed(self) -> ServerSettings:
        if not self.allow_unauthenticated_lan and not is_loopback(self.host):
            raise ValueError(
                "`host` is not a loopback address, and the server asks nobody for a key: set allow_unauthenticated_lan: true "
                "if everybody who reaches it may use it"
            )
        return self


class LedgerSettings(Block):
    """Where decisions and outcomes are written."""

    enabled: bool = Field(default=True, description="Write the ledger.")
    path: FilePath | None = Field(default=None, description="The SQLite file. Unset: in the user's state folder.")
    queue_size: Whole = Field(
        default=10_000, ge=1, le=10_000_000, description="Rows that may wait to be written; more are counted and dropped."
    )
    store_prompts: bool = Field(
        default=False, description="Keep the text of prompts: what users wrote. Answers are never kept."
    )


class FeedbackSettings(Block):
    """What users correct ("this should have been memory"), and how they rate answers."""

    enabled: bool = Field(default=True, description="Take corrections and ratings, and follow the former.")
    per_caller: Whole = Field(
        default=PER_CALLER, ge=1, le=10_000, description="Corrections of one caller that are kept; the oldest leave first."
    )
    most: Whole = Field(default=MOST, ge=1, le=50_000, description="Corrections that are kept in all; the oldest leave first.")
    ratings_per_caller: Whole = Field(
        default=10_000, ge=1, le=1_000_000, description="Ratings of one caller that are kept; the oldest leave first."
    )
    most_ratings: Whole = Field(
        default=100_000, ge=1, le=1_000_000, description="Ratings that are kept in all; the oldest leave first."
    )


class ConfigFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="ignore", frozen=True, title="Waypost config", protected_namespaces=())

    model_list: tuple[ModelEntry, ...] | None = Field(default=None, description="The deployments, in LiteLLM's format.")
    include: tuple[FilePath, ...] | None = Field(
        default=None, description="Files to read as well, relative to this one: lists are joined, any other key of theirs wins."
    )
    environment_variables: dict[str, Any] | None = Field(
        default=None, description="Values for references in this file; not exported."
    )
    credential_list: tuple[Credential, ...] | None = Field(default=None, description="Values that several deployments share.")
    litellm_settings: dict[str, Any] | None = Field(
        default=None,
        description="LiteLLM's. Used: fallbacks, context_window_fallbacks, default_fallbacks, request_timeout, drop_params.",
    )
    router_settings: dict[str, Any] | None = Field(
        default=None,
        description="LiteLLM's. Used: fallbacks, context_window_fallbacks, default_fallbacks, model_group_alias, timeout, "
        "stream_timeout, routing_strategy.",
    )
    general_settings: dict[str, Any] | None = Field(default=None, description="LiteLLM's. Not used.")
    routes: dict[Name, RouteBlock] = Field(
        default_factory=dict, description=f"Where turns go: {', '.join(f'`{task}`' for task in TASKS)}, and names of your own."
    )
    aliases: dict[Name, Name] = Field(default_factory=dict, description="Other names for routes, groups and deployments.")
    router_pairs: dict[Name, RouterPairBlock] = Field(
        default_factory=dict, description="Pairs of models for names of RouteLLM's form, such as `router-mf-0.11593`."
    )
    policy: PolicySettings = Field(default_factory=PolicySettings, description="Rules of every decision and every call.")
    quality: QualitySettings = Field(
        default_factory=QualitySettings, description="Where the estimates of quality and length come from."
    )
    server: ServerSettings = Field(default_factory=ServerSettings, description="Where and how the server listens.")
    ledger: LedgerSettings = Field(default_factory=LedgerSettings, description="Where decisions and outcomes are written.")
    feedback: FeedbackSettings = Field(
        default_factory=FeedbackSettings,
        description='What users correct ("this should have been memory"), and how they rate answers.',
    )
    cache: CacheSettings = Field(
        default_factory=CacheSettings, description="How much the response cache keeps, for the routes that have one."
    )
    discovery: DiscoverySettings = Field(default_factory=DiscoverySettings, description="Looking for engines.")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config file, for editors."""
    schema = ConfigFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
