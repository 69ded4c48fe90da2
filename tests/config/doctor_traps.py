"""For each rule of the doctor: a config with the trap, the line where it stands, and the same config without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from waypost.fleet.deployment import Capabilities
from waypost.fleet.report import EngineReport, Examined, ModelReport

OLLAMA = "http://127.0.0.1:11434"
VLLM = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Trap:
    """``text`` has the trap in ``line``, and ``mended`` has none. ``looks`` is what the engines say, and said when mended."""

    text: str
    line: int
    mended: str
    looks: Mapping[str, Examined] = field(default_factory=dict)
    well: Mapping[str, Examined] = field(default_factory=dict)


def one(*lines: str, model: str = "ollama_chat/qwen3:8b", base: str = OLLAMA, info: str = "{}", more: str = "") -> str:
    """A config with one model, whose `litellm_params` go on with ``lines`` from line 6."""
    params = "".join(f"      {line}\n" for line in lines)
    return (
        f"model_list:\n  - model_name: m\n    litellm_params:\n      model: {model}\n      api_base: {base}\n{params}"
        f"    model_info: {info}\n{more}"
    )


def two(first: str, second: str, more: str = "") -> str:
    """A config with two models, whose `litellm_params` are in line 3 and 5, and whatever follows from line 6."""
    return (
        f"model_list:\n  - model_name: a\n    litellm_params: {{api_base: '{OLLAMA}', {first}}}\n"
        f"  - model_name: b\n    litellm_params: {{api_base: '{OLLAMA}', {second}}}\n{more}"
    )


def says(*models: ModelReport, kind: str = "ollama", url: str = OLLAMA) -> Mapping[str, Examined]:
    """An engine that answers."""
    return {url: Examined(url.removeprefix("http://"), EngineReport(kind, "1.0", models))}


def silent(silence: str, url: str = OLLAMA) -> Mapping[str, Examined]:
    """An engine that does not."""
    return {url: Examined(url.removeprefix("http://"), None, silence)}  # type: ignore[arg-type]


DIFFERENT = "model: 'ollama_chat/qwen3:8b'", "model: 'ollama_chat/phi3:mini'"
THINKS = Capabilities(reasoning=True, tools=True)
PRESENT = says(ModelReport("qwen3:8b"))

TRAPS = {
    "stop-cuts-replies": Trap(one("temperature: 1", r'stop: ["\n\n", "###"]'), 7, one('stop: ["###"]')),
    "stop-role-marker": Trap(one('stop: ["User:", "Zoe:"]'), 6, one('stop: ["END"]')),
    "stop-cuts-tool-calls": Trap(
        one(more='routes:\n  chat:\n    candidates: [m]\n    settings: {stop: "<tool_call>"}\n'),
        10,
        one(more="routes:\n  chat:\n    candidates: [m]\n    settings: {temperature: 1}\n"),
    ),
    "think-small-cap": Trap(
        one("max_tokens: 256"), 6, one("max_tokens: 256", "think: false"), says(ModelReport("qwen3:8b", capabilities=THINKS))
    ),
    "cap-fills-window": Trap(one("num_ctx: 2048", "max_tokens: 2000"), 7, one("num_ctx: 8192", "max_tokens: 2000")),
    "load-options-differ": Trap(
        two("model: ollama_chat/phi3, num_ctx: 8192, temperature: 0.1", "model: ollama_chat/phi3:latest, num_ctx: 4096"),
        5,
        two("model: ollama_chat/phi3, num_ctx: 8192, temperature: 0.1", "model: ollama_chat/phi3:latest, num_ctx: 8192"),
    ),
    "num-gpu-misunderstood": Trap(one("num_gpu: 99"), 6, one("num_gpu: -1")),
    "cpu-only": Trap(one("num_gpu: 0"), 6, one()),
    "keep-alive-misplaced": Trap(one("extra_body:", "  keep_alive: 30m"), 7, one("keep_alive: 30m")),
    "keep-alive-uniform": Trap(
        two(f"{DIFFERENT[0]}, keep_alive: 30m", f"{DIFFERENT[1]}, keep_alive: 30m"),
        3,
        two(f"{DIFFERENT[0]}, keep_alive: 60m", f"{DIFFERENT[1]}, keep_alive: 30m"),
    ),
    "loaded-with-another-window": Trap(
        one("num_ctx: 8192"),
        6,
        one("num_ctx: 8192"),
        says(ModelReport("qwen3:8b", window_tokens=4096, loaded=True)),
        says(ModelReport("qwen3:8b", window_tokens=4096, loaded=False)),
    ),
    "collapsed-routes": Trap(
        two(*DIFFERENT, more="routes:\n  memory: [a, b]\n  reasoning: [a]\n"),
        8,
        two(*DIFFERENT, more="routes:\n  memory: [a, b]\n  reasoning: {candidates: [a], settings: {think: true}}\n"),
    ),
    "window-below-threshold": Trap(
        one("num_ctx: 4096", more="routes:\n  memory:\n    candidates: [m]\n    needs: {context: 10000}\n"),
        11,
        one("num_ctx: 16384", more="routes:\n  memory:\n    candidates: [m]\n    needs: {context: 10000}\n"),
    ),
    "no-tools-model-on-tool-route": Trap(
        one(info="{supports_function_calling: false}", more="routes:\n  tool_calling: [m]\n"),
        8,
        one(more="routes:\n  tool_calling: [m]\n"),
    ),
    "no-vision-on-vision-route": Trap(
        one(info="{supports_vision: false}", more="routes:\n  vision:\n  - m\n"),
        9,
        one(info="{supports_vision: true}", more="routes:\n  vision: [m]\n"),
    ),
    "private-route-without-local": Trap(
        one(base="https://example.com", more="routes:\n  memory: {candidates: [m], private: true}\n"),
        8,
        one(more="routes:\n  memory: {candidates: [m], private: true}\n"),
    ),
    "think-refused": Trap(
        one("think: true", info="{supports_reasoning: false}"), 6, one("think: true", info="{supports_reasoning: true}")
    ),
    "ollama-prefix": Trap(one(model="ollama/qwen3:8b"), 4, one()),
    "ollama-over-v1": Trap(one("num_ctx: 8192", model="openai/qwen3:8b", base=f"{OLLAMA}/v1"), 4, one("num_ctx: 8192")),
    "num-predict-beats-max-tokens": Trap(one("num_predict: 512"), 6, one("max_tokens: 512")),
    "class-settings-ignored": Trap(one(more="litellm_settings:\n  num_ctx: 8192\n"), 8, one("num_ctx: 8192")),
    "options-misplaced": Trap(one("options: {num_ctx: 8192}"), 6, one("num_ctx: 8192")),
    "tool-choice-ignored": Trap(one("tool_choice: required"), 6, one()),
    "tensorrt-prefix": Trap(
        one(model="tensorrt/llama", base=f"{VLLM}/v1"), 4, one(model="custom_openai/llama", base=f"{VLLM}/v1")
    ),
    "triton-legacy": Trap(
        one(model="triton/llama", base=f"{VLLM}/v2/models/llama/generate"),
        5,
        one(model="custom_openai/llama", base=f"{VLLM}/v1"),
    ),
    "engine-down": Trap(one(), 5, one(), silent("refused"), PRESENT),
    "engine-slow": Trap(one(), 5, one(), silent("slow"), PRESENT),
    "engine-strange": Trap(
        f"discovery:\n  targets:\n    - url: {OLLAMA}\n",
        3,
        f"discovery:\n  targets:\n    - url: {OLLAMA}\n",
        silent("strange"),
        PRESENT,
    ),
    "engine-trouble": Trap(
        one(), 5, one(), {OLLAMA: Examined("127.0.0.1:11434", EngineReport("openai", problem="it is starting"))}, PRESENT
    ),
    "model-absent": Trap(one(), 4, one(), says(ModelReport("qwen3:4b")), PRESENT),
    "window-beyond-trained": Trap(
        one("num_ctx: 65536"),
        6,
        one("num_ctx: 32768"),
        says(ModelReport("qwen3:8b", trained_tokens=32_768)),
        says(ModelReport("qwen3:8b", trained_tokens=32_768)),
    ),
    "window-not-the-engines": Trap(
        one(model="hosted_vllm/llama", base=f"{VLLM}/v1", info="{max_input_tokens: 32768}"),
        6,
        one(model="hosted_vllm/llama", base=f"{VLLM}/v1"),
        says(ModelReport("llama", window_tokens=8192), kind="vllm", url=VLLM),
        says(ModelReport("llama", window_tokens=8192), kind="vllm", url=VLLM),
    ),
}
