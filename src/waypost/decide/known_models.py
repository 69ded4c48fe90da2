"""One name for one model, however a config, an engine or a table of outcomes spells it."""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Hashable, Iterator, Mapping
from types import MappingProxyType

from waypost.decide.model_kinds import thinks_by_itself
from waypost.fleet.view import Deployment

Identity = tuple[Hashable, ...]

_OLLAMA = ("ollama", "ollama_chat")
_AZURE = ("azure", "azure_ai")
_ONLY_TUNED = ("cerebras", "groq", "llamagate", "sambanova", "snowflake", "vercel_ai_gateway")
"""They serve no base models, so that a name without `instruct` means the instructed one. Others serve both."""

_VARIANTS = ("instruct", "chat")
_BASE = ("text", "base")
_BEDROCK = re.compile(
    r"^(?:(?:us|us-gov|eu|apac|au|ca|jp|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|mistral|openai|qwen)\.(?=[a-z])"
)
_BEDROCK_VERSION = re.compile(r"-v?[1-9]\d*:0(?::\d+k)?$")
_BEDROCK_POINT = re.compile(r"(?<=-v0):(?=\d$)")
_HOST = re.compile(r"@(?:[a-z].*)?$")
_OFFER = re.compile(r":(?:free|nitro|floor|beta|extended|exacto)$")
"""OpenRouter's ways of serving one model."""

_TAG = re.compile(r"^[^:]+:(?!thinking$)[^:]+$")
_FILE = re.compile(r"(?:-\d{5}-of-\d{5})?\.(?:gguf|ggml|bin|safetensors)$")
_FEWER_BITS = r"i?q\d(?:_[a-z0-9]+)*|fp[48]|int[48]|w\d+a\d+|[348]-?bits?|nvfp4|mxfp4|nf4|awq|gptq|exl[23]|bnb|imat|i1|ud"
_ALL_BITS = "bf16|f16|f32|fp16|fp32"
_COMPRESSED = re.compile(rf"(?<![a-z0-9])(?:{_FEWER_BITS})(?![a-z0-9])")
_WHOLE = re.compile(rf"(?<![a-z0-9])(?:{_ALL_BITS})(?![a-z0-9])")
_STORED = re.compile(rf"(?<![a-z0-9])(?:{_FEWER_BITS}|{_ALL_BITS}|gguf|ggml|mlx|hf|databricks)(?![a-z0-9])")
"""How weights are stored, and where."""

_POINT = re.compile(r"(?<=\d)p(?=\d)")
_LLAMA = re.compile(r"^(?:meta-)?llama-(?:v-)?(?=\d)")
_CLAUDE = re.compile(r"^claude-(opus|sonnet|haiku)-(\d(?:-\d)?)(?!\d)")
_GEMINI = re.compile(r"^gemini-(pro|flash)-(\d-\d)(?!\d)")
_TURBO = re.compile(r"(?<=-instruct)-(?:turbo|lite|reference)$")
_WORD = re.compile(r"[a-z]+|\d+(?:x\d+)?[a-z]*")
_SAME = MappingProxyType(
    {"it": "instruct", "inst": "instruct", "think": "thinking", "thk": "thinking", "nothink": "nothinking"}
)

_SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gpt-4o-2024-08-06": ("gpt-4o",),
        "gpt-4o-mini": ("gpt-4o-mini-2024-07-18",),
        "gpt-4-turbo": ("gpt-4-turbo-2024-04-09", "gpt-4-turbo-preview-2024-04-09"),
        "gpt-4-0613": ("gpt-4",),
        "gpt-3.5-turbo-0125": ("gpt-3.5-turbo", "gpt-35-turbo", "gpt-35-turbo-0125"),
        "gpt-4.1": ("gpt-4.1-2025-04-14",),
        "gpt-4.1-mini": ("gpt-4.1-mini-2025-04-14",),
        "gpt-4.1-nano": ("gpt-4.1-nano-2025-04-14",),
        "gpt-5-mini": ("gpt-5-mini-2025-08-07",),
        "gpt-5-nano": ("gpt-5-nano-2025-08-07",),
        "gpt-5.1": ("gpt-5.1-2025-11-13",),
        "o1-mini": ("o1-mini-2024-09-12",),
        "o1-preview": ("o1-preview-2024-09-12",),
        "o3-mini": ("o3-mini-2025-01-31",),
        "claude-3-haiku": ("claude-3-haiku-20240307",),
        "claude-3-sonnet": ("claude-3-sonnet-20240229",),
        "claude-3-opus": ("claude-3-opus-20240229", "claude-3-opus-latest"),
        "claude-3-5-haiku": ("claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
        "claude-3-5-sonnet-20241022": ("claude-3-5-sonnet", "claude-3-5-sonnet-latest", "claude-3-5-sonnet-v2-20241022"),
        "claude-3-7-sonnet": ("claude-3-7-sonnet-20250219", "claude-3-7-sonnet-latest"),
        "claude-4-sonnet": ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        "claude-4-opus": ("claude-opus-4-20250514", "claude-opus-4-0"),
        "claude-4-5-haiku": ("claude-haiku-4-5-20251001",),
        "claude-4-5-sonnet": ("claude-sonnet-4-5-20250929",),
        "claude-4-5-opus": ("claude-opus-4-5-20251101",),
        "gemini-1.5-flash-002": ("gemini-1.5-flash", "gemini-1.5-flash-latest"),
        "gemini-1.5-pro-002": ("gemini-1.5-pro", "gemini-1.5-pro-latest"),
        "gemini-2.0-flash": ("gemini-2.0-flash-001",),
        "gemini-3-pro": ("gemini-3-pro-preview",),
        "mistral-large-2407": ("mistral-large-2", "mistral-large-instruct-2407"),
        "mistral-large-2411": ("mistral-large-instruct-2411",),
        "mistral-small-3": ("mistral-small-2501", "mistral-small-24b-instruct-2501", "mistral-small:24b"),
        "mistral-small-3.1": ("mistral-small-3.1-2503", "mistral-small-2503", "mistral-small-3.1-24b-instruct-2503"),
        "mistral-medium-3": ("mistral-medium-2505",),
        "mistral-nemo-instruct-2407": (
            "mistral-nemo",
            "open-mistral-nemo",
            "open-mistral-nemo-2407",
            "mistral-nemo:latest",
            "mistral-nemo:12b",
        ),
        "mistral-7b-instruct-v0.3": ("mistral:latest", "mistral:7b", "mistral:instruct", "mistral:7b-instruct"),
        "mixtral-8x7b-instruct-v0.1": (
            "mixtral:latest",
            "mixtral:8x7b",
            "mixtral:8x7b-instruct",
            "mixtral-8x7b-instruct",
            "open-mixtral-8x7b",
            "mixtral-8x7b-32768",
            "mixtral-8x7b-instruct-v0",
        ),
        "mixtral-8x22b-instruct-v0.1": ("mixtral:8x22b", "mixtral-8x22b-instruct", "open-mixtral-8x22b"),
        "llama-3-8b-instruct": ("llama3:latest", "llama3:instruct", "llama3-8b-8192"),
        "llama-3-70b-instruct": ("llama3-70b-8192",),
        "llama-3.1-8b-instruct": ("llama3.1:latest", "llama-3.1-8b-instant"),
        "llama-3.1-70b-instruct": ("llama-3.1-70b-versatile",),
        "llama-3.3-70b-instruct": ("llama3.3:latest", "llama-3.3-70b-versatile"),
        "llama-4-scout": ("llama-4-scout-17b-16e-instruct", "llama4:scout", "llama4:16x17b", "llama4:latest"),
        "llama-4-maverick": ("llama-4-maverick-17b-128e-instruct", "llama4:maverick", "llama4:128x17b"),
        "llama-2-7b-chat": ("llama2:latest", "llama2:chat"),
        "gemma-2-9b-instruct": ("gemma2:latest",),
        "gemma-3-27b-instruct": ("gemma-3-27b",),
        "gemma-3n-e4b-instruct": ("gemma3n:latest", "gemma3n:e4b"),
        "qwen-2.5-7b-instruct": ("qwen2.5:latest",),
        "qwen-2-7b-instruct": ("qwen2:latest",),
        "qwen-1.5-7b-chat": ("qwen:7b", "qwen:7b-chat"),
        "qwen-1.5-32b-chat": ("qwen:32b", "qwen:32b-chat"),
        "qwen-1.5-72b-chat": ("qwen:72b", "qwen:72b-chat"),
        "qwen-1.5-110b-chat": ("qwen:110b", "qwen:110b-chat"),
        "qwq-32b": ("qwq:latest",),
        "qwen-3-30b-a3b-thinking": ("qwen3:30b", "qwen3:30b-a3b", "qwen3-30b-a3b"),
        "qwen-3-235b-a22b-thinking": ("qwen3:235b", "qwen3:235b-a22b", "qwen3-235b-a22b"),
        "phi-3-mini-4k-instruct": ("phi3:latest", "phi3:mini", "phi3:3.8b", "phi3:mini-4k"),
        "phi-3-medium-4k-instruct": ("phi3:medium", "phi3:14b", "phi3:medium-4k"),
        "phi-3.5-mini-instruct": ("phi3.5:latest", "phi3.5:3.8b"),
        "phi-4": ("phi4:latest", "phi4:14b"),
        "phi-4-reasoning-plus": ("phi4-reasoning:plus", "phi4-reasoning:14b-plus"),
        "yi-1.5-34b-chat": ("yi:34b",),
        "yi-1.5-9b-chat": ("yi:9b",),
        "command-r-08-2024": ("c4ai-command-r-08-2024",),
        "command-r-plus-08-2024": ("c4ai-command-r-plus-08-2024",),
        "command-r": ("c4ai-command-r-v01", "command-r-03-2024", "command-r-v1"),
        "command-r-plus": ("c4ai-command-r-plus", "c4ai-command-r-plus-v01", "command-r-plus-04-2024"),
        "command-r7b-12-2024": ("c4ai-command-r7b-12-2024", "command-r7b:latest", "command-r7b:7b"),
        "command-a-03-2025": ("c4ai-command-a-03-2025", "command-a:latest", "command-a:111b"),
        "deepseek-v3": ("deepseek-v3:671b", "deepseek-chat-v3"),
        "deepseek-v3-0324": ("deepseek-chat-v3-0324",),
        "deepseek-r1": ("deepseek-r1:671b", "r1"),
        "deepseek-r1-0528": ("deepseek-r1:671b-0528",),
        "deepseek-r1-distill-llama-70b": ("deepseek-r1:70b",),
        "deepseek-v2-chat": ("deepseek-v2:236b", "deepseek-v2:236b-chat"),
        "deepseek-v2-lite-chat": ("deepseek-v2:latest", "deepseek-v2:16b", "deepseek-v2:lite"),
        "deepseek-v2-chat-0628": ("deepseek-v2-0628",),
        "deepseek-v2.5": ("deepseek-v2.5-0908", "deepseek-v2.5:latest", "deepseek-v2.5:236b"),
        "deepseek-coder-v2-0724": ("deepseek-v2-coder-0724", "deepseek-coder-v2-instruct-0724"),
        "grok-2": ("grok-2-1212", "grok-2-latest"),
        "nova-pro": ("nova-pro-v1", "amazon-nova-pro-v1"),
        "nemotron-4-340b-instruct": ("nemotron-340b-instruct",),
        "llama-3.1-nemotron-70b-instruct": ("nemotron:latest", "nemotron:70b", "nemotron:70b-instruct"),
        "olmo-2-13b-instruct": ("olmo-2-1124-13b-instruct", "olmo2:13b", "olmo2:13b-1124-instruct"),
        "olmo-2-32b-instruct": ("olmo-2-0325-32b", "olmo-2-0325-32b-instruct"),
        "athene-70b": ("athene-70b-instruct",),
        "athene-v2-chat": ("athene-v2:latest", "athene-v2:72b"),
        "aya-23-8b": ("aya:latest", "aya:8b"),
        "aya-23-35b": ("aya:35b",),
        "tulu-3-70b": ("llama-3.1-tulu-3-70b", "tulu3:70b"),
        "codegemma-7b-instruct": ("codegemma:latest", "codegemma:7b"),
        "mathstral-7b": ("mathstral-7b-v0.1", "mathstral:latest", "mathstral:7b"),
        "dbrx-instruct": ("dbrx-instruct-16x12b", "dbrx:latest", "dbrx:132b"),
    }
)
"""The models that go by several names. The colon of Ollama's names counts: `mistral:7b` is not `mistral-7b`."""


def plain_name(name: str) -> str:
    """The one spelling of a model's name, in words with a hyphen between; "" where nothing is left of it.

    What only says where it runs or how its weights are stored is left out. `instruct` and `it` are one word; sizes, versions,
    dates and `thinking` stay, so that no two models get one name.
    """
    words = _words(_last(name))
    return _table().get(words, words)


def known_name(deployment: Deployment, known: Container[str]) -> str | None:
    """Which of the models called ``known`` (as `plain_name` has them) a deployment is; ``None`` where that is not certain."""
    for name in names_of(deployment):
        for reading in _readings(name, deployment):
            if reading in known:
                return reading
    return None


def names_of(deployment: Deployment) -> tuple[str, ...]:
    """The names that may tell which model a deployment is, the surest first.

    What LiteLLM's ``base_model`` says comes first, then the model's own name. The group counts on Azure only, where people name
    their models themselves: elsewhere a group is often called like a model that it stands in for.
    """
    base = deployment.transport.get("base_model")
    first = (base,) if isinstance(base, str) else ()
    return (*first, deployment.model, *((deployment.group,) if deployment.provider in _AZURE else ()))


def identity_of(deployment: Deployment) -> Identity:
    """All that says which model a deployment is; a config that is read again, discovery and the request may change it."""
    base = deployment.transport.get("base_model") if deployment.transport else None
    return (
        deployment.id,
        deployment.group,
        deployment.provider,
        deployment.model,
        base if isinstance(base, str) else None,
        deployment.engine_kind,
        deployment.parameters_b,
        thinking_of(deployment),
    )


def is_compressed(deployment: Deployment) -> bool:
    """Whether its weights are stored in fewer bits than they were trained in: Ollama's are, unless their name denies it."""
    name = deployment.model.casefold()
    if deployment.provider in _OLLAMA or deployment.engine_kind == "ollama":
        return _WHOLE.search(name) is None
    return _COMPRESSED.search(name) is not None


def _readings(name: str, deployment: Deployment) -> Iterator[str]:
    """The plain names that ``name`` may mean for this deployment, the surest first.

    A tag of Ollama's without a variant, and a name without one at a provider of tuned models only, mean the tuned model.
    """
    last = _last(name)
    ollama = deployment.provider in _OLLAMA or deployment.engine_kind == "ollama" or _TAG.match(last) is not None
    thinks = thinking_of(deployment)
    if ollama and not name.casefold().startswith(("hf.co/", "huggingface.co/")):
        tagged = last if ":" in last else f"{last}:latest"
        found = _tags().get(_tag_key(tagged))
        plain = [found] if found else [_table().get(one, one) for one in _tuned(_words(tagged))]
    elif deployment.provider in _ONLY_TUNED:
        plain = [_table().get(one, one) for one in _tuned(_words(last))]
    else:
        plain = [plain_name(name)]
    for one in plain:
        yield from (one,) if thinks is None else _set_to(one, thinks=thinks)


def thinking_of(deployment: Deployment) -> bool | None:
    """Whether the settings make it think; ``None``: it does as the model does by itself.

    A caller asks whole routes to think: who is not known to be able to does not become another model by it.
    """
    settings = deployment.settings
    if not settings:
        return None
    effort, kwargs, thinking = (settings.get(name) for name in ("reasoning_effort", "chat_template_kwargs", "thinking"))
    said = settings.get("think")
    if said is None and isinstance(kwargs, Mapping):
        said = kwargs.get("enable_thinking")
    if said is None:
        said = thinking.get("type") != "disabled" if isinstance(thinking, Mapping) else thinking
    if said is None:
        said = effort
    thinks = said not in (False, "none")
    return None if said is None or (thinks and not deployment.capabilities.reasoning) else thinks


def _set_to(plain: str, *, thinks: bool) -> Iterator[str]:
    """The names of the model as it is set. One that always thinks goes by its plain name, whatever is set."""
    bare = plain.removesuffix("-nothinking").removesuffix("-thinking")
    yield f"{bare}-thinking" if thinks else f"{bare}-nothinking"
    if plain == bare and thinks == thinks_by_itself(bare):
        yield plain


def _last(name: str) -> str:
    """The part of a name that tells the model, without a host, a file's ending and a marketplace's ways."""
    last = name[:256].strip().casefold().replace("\\", "/").rpartition("/")[2]
    last = _OFFER.sub("", _HOST.sub("", _FILE.sub("", last)))
    return _BEDROCK_POINT.sub(".", _BEDROCK_VERSION.sub("", _BEDROCK.sub("", last)))


def _words(last: str) -> str:
    text = _POINT.sub(".", _STORED.sub(" ", last))
    words = "-".join(_SAME.get(word, word) for word in _WORD.findall(text))
    words = _LLAMA.sub("llama-", words)
    words = _GEMINI.sub(r"gemini-\2-\1", _CLAUDE.sub(r"claude-\2-\1", words))
    return _TURBO.sub("", words)


def _tuned(words: str) -> list[str]:
    """What a name of a tuned model may mean that need not say so."""
    parts = words.split("-")
    if any(word in parts for word in _BASE):
        return ["-".join(word for word in parts if word not in _BASE)]
    if any(word in parts for word in _VARIANTS):
        return [words]
    return [f"{words}-instruct", f"{words}-chat", words]


def _tag_key(last: str) -> str:
    family, _, tag = last.partition(":")
    return f"{_words(family)}:{_words(tag)}"


@functools.cache
def _table() -> Mapping[str, str]:
    """The spellings without a tag."""
    return {_words(_last(one)): _words(name) for name, ones in _SPELLINGS.items() for one in ones if ":" not in one}


@functools.cache
def _tags() -> Mapping[str, str]:
    """The spellings with a tag of Ollama's."""
    return {_tag_key(one): _words(name) for name, ones in _SPELLINGS.items() for one in ones if ":" in one}
