"""What engines answer about themselves, cut down to what is read: llama.cpp, vLLM and Triton as seen on real ones, the others
from their contracts and sources.
"""

from __future__ import annotations

from typing import Any

Routes = dict[str, Any]


def listing(*rows: dict[str, Any]) -> dict[str, Any]:
    """An answer at ``/v1/models``."""
    return {"object": "list", "data": [{"object": "model", **row} for row in rows]}


def llamacpp(name: str = "alpha", *, n_ctx: int = 2048, sleeping: bool = False, **modalities: bool) -> Routes:
    """A llama-server with one model."""
    meta = {"vocab_type": 2, "n_ctx_train": 8192, "n_params": 2_952_960, "size": 5_913_600, "ftype": "F16"}
    return {
        "/v1/models": listing({"id": name, "aliases": [name], "owned_by": "llamacpp", "meta": meta}),
        "/health": {"status": "ok"},
        "/props": {
            "default_generation_settings": {"params": {"temperature": 0.8}, "n_ctx": n_ctx},
            "total_slots": 2,
            "model_alias": name,
            "modalities": {"vision": False, "audio": False, **modalities},
            "chat_template_caps": {"supports_tools": True, "supports_tool_calls": True},
            "build_info": "b11549",
            "is_sleeping": sleeping,
        },
    }


def llamacpp_router() -> Routes:
    """A llama-server that starts a process for each model; asking for one model's props would load it."""
    rows = [
        {"id": "seer", "status": {"value": "unloaded"}, "architecture": {"input_modalities": ["text", "image"]}},
        {"id": "talker", "status": {"value": "loaded"}, "meta": {"n_ctx": 16384}},
    ]
    return {
        "/v1/models": listing(*({"owned_by": "llamacpp", **row} for row in rows)),
        "/props": {"role": "router", "default_generation_settings": {"n_ctx": 0}, "total_slots": 0},
    }


def llama_swap() -> Routes:
    """A llama-swap with a model of its own that runs, one that does not, and one of a peer."""
    return {
        "/v1/models": listing(
            {"id": "quick", "owned_by": "llama-swap", "meta": {"llamaswap": {"aliases": ["gpt-4o-mini"]}}},
            {"id": "slow-70b", "owned_by": "llama-swap"},
            {"id": "far", "owned_by": "llama-swap", "meta": {"llamaswap": {"peerID": "titan"}}},
        ),
        "/running": {"running": [{"model": "quick", "state": "ready"}, {"model": "slow-70b", "state": "starting"}]},
    }


def vllm(name: str = "Qwen/Qwen2.5-7B-Instruct", *, window: Any = 32768) -> Routes:
    """A vLLM."""
    return {
        "/v1/models": listing({"id": name, "owned_by": "vllm", "root": name, "parent": None, "max_model_len": window}),
        "/version": {"version": "0.32.0"},
        "/health": "",
    }


def tensorrt_llm(name: str = "TinyLlama-1.1B-Chat") -> Routes:
    """A trtllm-serve."""
    listed = listing({"id": name, "owned_by": "tensorrt_llm"})
    return {"/v1/models": listed, "/version": {"version": "1.2.0"}, "/health": ""}


def triton_frontend(name: str = "llama-3.1-8b") -> Routes:
    """The OpenAI-compatible frontend of a Triton."""
    pending = 'nv_inference_pending_request_count{model="%s",version="1"} 3\n'
    return {
        "/v1/models": listing({"id": name, "owned_by": "Triton Inference Server"}),
        "/metrics": "".join(pending % model for model in (name, "tokenizer")).encode(),
    }


def triton() -> Routes:
    """A Triton without its OpenAI-compatible frontend."""
    return {"/v2": {"name": "triton", "version": "2.51.0", "extensions": ["statistics"]}}


def lm_studio() -> Routes:
    """An LM Studio with a loaded model, one that sees, and one that embeds."""
    rows = [
        {
            "id": "qwen2.5-coder-7b",
            "type": "llm",
            "state": "loaded",
            "max_context_length": 32768,
            "loaded_context_length": 16384,
        },
        {"id": "qwen2-vl-7b", "type": "vlm", "state": "not-loaded", "max_context_length": 32768, "capabilities": ["tool_use"]},
        {"id": "text-embedding-nomic", "type": "embeddings", "state": "not-loaded", "max_context_length": 2048},
    ]
    return {
        "/v1/models": listing(*({"id": row["id"], "owned_by": "organization_owner"} for row in rows)),
        "/api/v0/models": {"object": "list", "data": rows},
    }


def ollama(*models: dict[str, Any], running: dict[str, int] | None = None) -> Routes:
    """An Ollama with ``models``, each ``name`` plus ``show`` (and what else its row in the tags holds); ``running`` gives
    allocated windows.
    """
    shown = {model["name"]: model.get("show") for model in models}
    tags = [{"model": model["name"], **{key: value for key, value in model.items() if key != "show"}} for model in models]
    loaded = [{"name": name, "size_vram": 1, "context_length": window} for name, window in (running or {}).items()]
    return {
        "/v1/models": listing(*({"id": model["name"], "owned_by": "library"} for model in models)),
        "/api/version": {"version": "0.32.0"},
        "/api/tags": {"models": tags},
        "/api/ps": {"models": loaded},
        "/api/show": lambda body: shown.get(body.get("model")),
    }


def ollama_show(*can: str, trained: int = 131072, parameters: str = 'stop "<|im_end|>"') -> dict[str, Any]:
    """Ollama's description of a model."""
    return {
        "parameters": parameters,
        "details": {"parameter_size": "8.0B"},
        "model_info": {
            "general.architecture": "qwen3",
            "general.parameter_count": 8_190_735_360,
            "qwen3.context_length": trained,
        },
        "capabilities": list(can),
    }
