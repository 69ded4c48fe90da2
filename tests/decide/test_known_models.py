"""One name for one model, however it is spelled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from samples import deployment
from waypost.decide.known_models import is_compressed, known_name, plain_name, thinking_of
from waypost.fleet.deployment import Capabilities

KNOWN = {
    plain_name(name)
    for name in (
        *("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4-turbo", "gpt-4-0613"),
        *("gpt-3.5-turbo-0125", "gpt-5-mini", "gpt-5.1", "o1-mini", "o3-mini", "claude-3-haiku", "claude-3-opus"),
        *("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022", "claude-3-5-haiku", "claude-3-7-sonnet"),
        *("claude-3-7-sonnet-thinking", "claude-sonnet-4", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"),
        *("gemini-1.5-flash-002", "gemini-1.5-pro-002", "gemini-2.0-flash", "gemini-2.5-pro", "gemini-2.5-flash"),
        *("Meta-Llama-3-8B", "Meta-Llama-3-8B-Instruct", "Meta-Llama-3-70B-Instruct", "Meta-Llama-3.1-8B"),
        *("Meta-Llama-3.1-8B-Instruct", "Meta-Llama-3.1-70B-Instruct", "Llama-3.1-405B-Instruct", "llama-3.3-70b-instruct"),
        *("llama-2-7b-chat", "Llama-2-7b-hf", "Qwen2.5-7B-Instruct", "Qwen2.5-72B-Instruct", "Qwen1.5-7B-Chat", "Yi-34B"),
        *("Yi-1.5-34B-Chat", "Mistral-7B-v0.1", "Mistral-7B-Instruct-v0.2", "mistral-7b-instruct-v0.3", "mistral-large-2411"),
        *("Mixtral-8x7B-v0.1", "Mixtral-8x7B-Instruct-v0.1", "Mistral-Nemo-Instruct-2407", "gemma-2-9b-it", "gemma-7b"),
        *("gemma-2-2b-it", "gemma-2b-it", "gemma-7b-it", "phi-4", "Phi-3-mini-4k-instruct", "Phi-3.5-mini-instruct"),
        *("command-r", "command-r-plus", "command-r7b-12-2024", "deepseek-v3", "deepseek-r1", "deepseek-r1-distill-llama-70b"),
        *("qwen3-30b-a3b-think", "qwen3-30b-a3b-nothink", "QwQ-32b", "nova-pro-v1", "grok-2"),
    )
}

SAME = [
    ("openai", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
    ("openrouter", "openai/gpt-4o", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini", "gpt-4o-mini"),
    ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
    ("azure", "gpt-4o-mini", "gpt-4o-mini"),
    ("azure", "gpt-35-turbo", "gpt-3.5-turbo-0125"),
    ("openai", "gpt-3.5-turbo", "gpt-3.5-turbo-0125"),
    ("openai", "gpt-4-turbo-2024-04-09", "gpt-4-turbo"),
    ("openai", "gpt-4", "gpt-4-0613"),
    ("openai", "gpt-5-mini-2025-08-07", "gpt-5-mini"),
    ("openai", "gpt-5.1", "gpt-5.1"),
    ("openai", "o1-mini-2024-09-12", "o1-mini"),
    ("openai", "o3-mini", "o3-mini"),
    ("anthropic", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20241022"),
    ("anthropic", "claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
    ("anthropic", "claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20240620"),
    ("openrouter", "anthropic/claude-3.5-sonnet", "claude-3-5-sonnet-20241022"),
    ("openrouter", "anthropic/claude-3.7-sonnet:thinking", "claude-3-7-sonnet-thinking"),
    ("vertex_ai", "claude-3-5-sonnet@20240620", "claude-3-5-sonnet-20240620"),
    ("vertex_ai", "claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet-20241022"),
    ("bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-3-5-sonnet-20240620"),
    ("bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-20241022"),
    ("bedrock", "eu.anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku"),
    ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0:200k", "claude-3-haiku"),
    ("bedrock", "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-4-5-sonnet"),
    ("anthropic", "claude-sonnet-4-20250514", "claude-4-sonnet"),
    ("anthropic", "claude-haiku-4-5", "claude-4-5-haiku"),
    ("bedrock", "meta.llama3-1-8b-instruct-v1:0", "llama-3.1-8b-instruct"),
    ("bedrock", "us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b-instruct"),
    ("bedrock", "mistral.mistral-7b-instruct-v0:2", "mistral-7b-instruct-v0.2"),
    ("bedrock", "mistral.mixtral-8x7b-instruct-v0:1", "mixtral-8x7b-instruct-v0.1"),
    ("bedrock", "amazon.nova-pro-v1:0", "nova-pro"),
    ("bedrock", "us.deepseek.r1-v1:0", "deepseek-r1"),
    ("bedrock", "cohere.command-r-plus-v1:0", "command-r-plus"),
    ("gemini", "gemini-1.5-flash", "gemini-1.5-flash-002"),
    ("vertex_ai", "gemini-1.5-pro-002", "gemini-1.5-pro-002"),
    ("openrouter", "google/gemini-flash-1.5", "gemini-1.5-flash-002"),
    ("openrouter", "google/gemini-2.0-flash-001", "gemini-2.0-flash"),
    ("gemini", "gemini-2.5-pro", "gemini-2.5-pro"),
    ("ollama", "qwen2.5:7b", "qwen2.5-7b-instruct"),
    ("ollama", "qwen2.5", "qwen2.5-7b-instruct"),
    ("ollama", "qwen2.5:72b-instruct-q4_0", "qwen2.5-72b-instruct"),
    ("ollama_chat", "llama3.1:8b-instruct-q4_K_M", "llama-3.1-8b-instruct"),
    ("ollama", "llama3.1", "llama-3.1-8b-instruct"),
    ("ollama", "llama3.1:latest", "llama-3.1-8b-instruct"),
    ("ollama", "llama3:8b", "llama-3-8b-instruct"),
    ("ollama", "llama3:8b-text-q4_0", "llama-3-8b"),
    ("ollama", "llama2:7b", "llama-2-7b-chat"),
    ("ollama", "llama3.3:70b", "llama-3.3-70b-instruct"),
    ("ollama", "mistral:7b", "mistral-7b-instruct-v0.3"),
    ("ollama", "mistral", "mistral-7b-instruct-v0.3"),
    ("ollama", "mistral-nemo", "mistral-nemo-instruct-2407"),
    ("ollama", "mixtral:8x7b", "mixtral-8x7b-instruct-v0.1"),
    ("ollama", "gemma2:9b", "gemma-2-9b-it"),
    ("ollama", "gemma2:2b-instruct-q8_0", "gemma-2-2b-it"),
    ("ollama", "gemma:7b", "gemma-7b-it"),
    ("ollama", "phi3:mini", "phi-3-mini-4k-instruct"),
    ("ollama", "phi4", "phi-4"),
    ("ollama", "yi:34b", "yi-1.5-34b-chat"),
    ("ollama", "command-r7b", "command-r7b-12-2024"),
    ("ollama", "deepseek-r1:70b", "deepseek-r1-distill-llama-70b"),
    ("ollama", "deepseek-r1:671b", "deepseek-r1"),
    ("ollama", "qwen3:30b", "qwen3-30b-a3b-thinking"),
    ("ollama", "hf.co/bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M", "llama-3.1-8b-instruct"),
    ("openai", "llama3.1:8b", "llama-3.1-8b-instruct"),
    ("hosted_vllm", "Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
    ("hosted_vllm", "Qwen/Qwen2.5-72B-Instruct-AWQ", "qwen2.5-72b-instruct"),
    ("hosted_vllm", "meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"),
    ("hosted_vllm", "meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"),
    ("hosted_vllm", "meta-llama/Meta-Llama-3.1-8B", "llama-3.1-8b"),
    ("hosted_vllm", "unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", "llama-3.1-8b-instruct"),
    ("hosted_vllm", "neuralmagic/Meta-Llama-3.1-70B-Instruct-quantized.w8a8", None),
    ("hosted_vllm", "neuralmagic/Meta-Llama-3.1-70B-Instruct-FP8", "llama-3.1-70b-instruct"),
    ("hosted_vllm", "mistralai/Mistral-7B-Instruct-v0.3", "mistral-7b-instruct-v0.3"),
    ("hosted_vllm", "mistralai/Mistral-7B-v0.1", "mistral-7b-v0.1"),
    ("hosted_vllm", "microsoft/phi-4", "phi-4"),
    ("hosted_vllm", "deepseek-ai/DeepSeek-V3", "deepseek-v3"),
    ("llamacpp", "/models/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "llama-3.1-8b-instruct"),
    ("llamacpp", "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", "qwen2.5-7b-instruct"),
    ("llamacpp", "gemma-2-9b-it-IQ4_XS.gguf", "gemma-2-9b-it"),
    ("openai", "C:\\models\\phi-4-Q8_0.gguf", "phi-4"),
    ("lm_studio", "lmstudio-community/Meta-Llama-3.1-8B-Instruct-GGUF", "llama-3.1-8b-instruct"),
    ("mlx", "mlx-community/Qwen2.5-7B-Instruct-4bit", "qwen2.5-7b-instruct"),
    ("fireworks_ai", "accounts/fireworks/models/llama-v3p1-8b-instruct", "llama-3.1-8b-instruct"),
    ("fireworks_ai", "accounts/fireworks/models/qwen2p5-72b-instruct", "qwen2.5-72b-instruct"),
    ("together_ai", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", "llama-3.1-8b-instruct"),
    ("openai", "Meta-Llama-3.1-8B-Instruct@hyperbolic", "llama-3.1-8b-instruct"),
    ("openrouter", "google/gemma-2-9b-it:free", "gemma-2-9b-it"),
    ("openrouter", "meta-llama/llama-3.3-70b-instruct:nitro", "llama-3.3-70b-instruct"),
    ("groq", "llama-3.3-70b-versatile", "llama-3.3-70b-instruct"),
    ("groq", "llama-3.1-8b-instant", "llama-3.1-8b-instruct"),
    ("groq", "llama3-70b-8192", "llama-3-70b-instruct"),
    ("groq", "gemma2-9b-it", "gemma-2-9b-it"),
    ("cerebras", "llama3.1-8b", "llama-3.1-8b-instruct"),
    ("cerebras", "llama-3.3-70b", "llama-3.3-70b-instruct"),
    ("snowflake", "llama3.1-8b", "llama-3.1-8b-instruct"),
    ("vercel_ai_gateway", "meta/llama-3.1-8b", "llama-3.1-8b-instruct"),
    ("vercel_ai_gateway", "anthropic/claude-3.5-haiku", "claude-3-5-haiku"),
    ("databricks", "databricks-meta-llama-3-1-70b-instruct", "llama-3.1-70b-instruct"),
    ("cloudflare", "@cf/meta/llama-3.1-8b-instruct", "llama-3.1-8b-instruct"),
    ("nvidia_nim", "meta/llama-3.1-405b-instruct", "llama-3.1-405b-instruct"),
    ("cohere", "command-r-plus", "command-r-plus"),
    ("mistral", "mistral-large-2411", "mistral-large-2411"),
    ("mistral", "open-mistral-nemo", "mistral-nemo-instruct-2407"),
    ("xai", "grok-2-1212", "grok-2"),
]

OTHERS = [
    *(
        ("openai", name)
        for name in ("gpt-4o-audio-preview", "gpt-4o-mini-audio-preview", "chatgpt-4o-latest", "gpt-4o-2099-01-01")
    ),
    *(("openai", name) for name in ("o1", "o3", "gpt-5", "gpt-4.5-preview", "default", "model", "my-finetune", "", "...")),
    *(
        ("ollama", name)
        for name in ("qwen3:8b", "llama3.2:3b", "qwen2.5:14b", "qwen2.5-coder:7b", "deepseek-r1", "deepseek-r1:8b")
    ),
    *(("ollama", name) for name in ("llama3.1:405b-text", "dolphin-llama3:8b", "llama3-chatqa:8b", "gemma3:4b")),
    ("hosted_vllm", "Qwen/Qwen2.5-7B"),
    ("hosted_vllm", "Qwen/Qwen2.5-Coder-7B-Instruct"),
    ("hosted_vllm", "Qwen/Qwen3-30B-A3B-Instruct-2507"),
    ("hosted_vllm", "me/Meta-Llama-3.1-8B-Instruct-my-law"),
    ("hosted_vllm", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"),
    ("hosted_vllm", "google/gemma-2-9b"),
    ("anthropic", "claude-opus-4-1-20250805"),
    ("anthropic", "claude-2.1"),
    ("mistral", "mistral-large-latest"),
    ("gemini", "gemini-2.5-flash-lite"),
    ("deepseek", "deepseek-chat"),
]


@pytest.mark.parametrize(("provider", "model", "name"), SAME)
def test_the_same_model_has_one_name_however_it_is_spelled(provider: str, model: str, name: str | None) -> None:
    found = known_name(deployment("d", provider=provider, model=model), KNOWN)
    assert found == (None if name is None else plain_name(name))


@pytest.mark.parametrize(("provider", "model"), OTHERS)
def test_another_model_is_not_taken_for_a_known_one(provider: str, model: str) -> None:
    assert known_name(deployment("d", provider=provider, model=model), KNOWN) is None


def test_what_base_model_says_goes_before_a_name_that_people_made_up() -> None:
    ours = deployment("prod", provider="azure", model="chat-prod-1", transport={"base_model": "azure/gpt-4o-mini"})
    assert known_name(ours, KNOWN) == "gpt-4o-mini"


def test_the_group_counts_on_azure_only_where_a_local_model_may_stand_in_for_another() -> None:
    azure = deployment("d", provider="azure", model="prod-eu", group="gpt-4o")
    assert known_name(azure, KNOWN) == "gpt-4o-2024-08-06"
    assert known_name(replace(azure, provider="ollama", model="qwen3:8b"), KNOWN) is None


def test_a_model_that_is_set_to_think_is_another_one() -> None:
    sonnet = deployment("d", provider="anthropic", model="claude-3-7-sonnet-20250219")
    assert known_name(sonnet, KNOWN) == "claude-3-7-sonnet"
    assert known_name(replace(sonnet, settings={"thinking": {"type": "enabled"}}), KNOWN) == "claude-3-7-sonnet-thinking"
    assert known_name(replace(sonnet, settings={"reasoning_effort": "high"}), KNOWN) == "claude-3-7-sonnet-thinking"
    haiku = deployment("d", provider="anthropic", model="claude-haiku-4-5", settings={"thinking": {"type": "enabled"}})
    assert known_name(haiku, KNOWN) is None


def test_who_cannot_think_stays_the_same_model_whatever_the_caller_asks() -> None:
    mini = deployment("d", model="gpt-4o-mini", settings={"reasoning_effort": "high"}, capabilities=Capabilities())
    assert known_name(mini, KNOWN) == "gpt-4o-mini"


def test_a_model_that_may_be_kept_from_thinking_is_known_both_ways() -> None:
    qwen = deployment("d", provider="ollama", model="qwen3:30b-a3b")
    assert known_name(qwen, KNOWN) == "qwen-3-30b-a-3b-thinking"
    assert known_name(replace(qwen, settings={"think": False}), KNOWN) == "qwen-3-30b-a-3b-nothinking"
    vllm = deployment("d", provider="hosted_vllm", model="Qwen/Qwen3-30B-A3B")
    assert thinking_of(replace(qwen, settings={"think": "none"})) is False
    assert thinking_of(replace(qwen, settings={"thinking": False})) is False
    assert thinking_of(replace(qwen, settings={"thinking": {"type": "disabled"}})) is False
    assert thinking_of(replace(qwen, settings={"think": None})) is None
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    assert known_name(replace(vllm, settings=off), KNOWN) == "qwen-3-30b-a-3b-nothinking"


def test_a_model_that_always_thinks_goes_by_its_name_whatever_is_set() -> None:
    assert known_name(deployment("d", model="o3-mini", settings={"reasoning_effort": "low"}), KNOWN) == "o-3-mini"


def test_a_plain_name_stays_what_it_is() -> None:
    assert all(plain_name(name) == name for name in KNOWN)


def test_compressed_weights_are_seen_in_the_name_and_are_ollamas_default() -> None:
    assert is_compressed(deployment("d", provider="ollama", model="qwen2.5:7b"))
    assert is_compressed(deployment("d", provider="hosted_vllm", model="Qwen/Qwen2.5-7B-Instruct-AWQ"))
    assert not is_compressed(deployment("d", provider="hosted_vllm", model="Qwen/Qwen2.5-7B-Instruct"))
    assert is_compressed(deployment("d", provider="openai", engine_kind="ollama", model="qwen2.5:7b"))
    assert not is_compressed(deployment("d", provider="ollama", model="qwen2.5:7b-instruct-fp16"))
    assert not is_compressed(deployment("d", provider="openai", model="gpt-4o"))
    assert not is_compressed(deployment("d", provider="llamacpp", model="qwen2.5-7b-instruct-bf16.gguf"))
    assert not is_compressed(deployment("d", provider="databricks", model="databricks-meta-llama-3-1-70b-instruct"))
