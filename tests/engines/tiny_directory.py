"""Writes a scripted model as Hugging Face's tools want it: a directory with weights, config and tokenizer.

The model is that of `tiny_model`: the same script, the same answers. The weights file is written here, so that neither torch
nor safetensors is needed.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from engines.script import END, VOCABULARY_SIZE, Script, build_script
from engines.tiny_model import FEED_FORWARD, HEAD_WIDTH, HEADS, KEY_VALUE_HEADS, LAYERS, next_token_table

# How `transformers serve` cuts what the model wrote into reasoning, calls and text.
RESPONSE = {
    "defaults": {"role": "assistant"},
    "start_anchor_pattern": r"<\|im_start\|>assistant\n(?:<\|[a-z]+\|>)?",
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open_pattern": r"\s*<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"\s*(?:<\|im_end\|>|<\|endoftext\|>)", "content": "text"},
    },
}


def write_tiny_directory(folder: Path, name: str, *, window_tokens: int = 2048) -> None:
    """Writes the model that introduces itself as ``name`` into ``folder``."""
    script = build_script(name)
    template = (Path(__file__).parent / "chat_template.jinja").read_text()
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(as_safetensors(_weights(script)))
    (folder / "chat_template.jinja").write_text(template)
    files = {
        "config.json": _config(script, window_tokens),
        "generation_config.json": {"eos_token_id": script.id_of(END), "pad_token_id": script.id_of("<|pad|>")},
        "tokenizer.json": _tokenizer(script),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": window_tokens,
            "clean_up_tokenization_spaces": False,
            "bos_token": "<|endoftext|>",
            "eos_token": END,
            "pad_token": "<|pad|>",
            "add_bos_token": False,
            "chat_template": template,
            "response_template": RESPONSE,
        },
    }
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content, ensure_ascii=False))


def as_safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    """The file format of safetensors: the length of a JSON header, the header, the numbers one after the other."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + tensor.nbytes]}
        end += tensor.nbytes
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + b"".join(tensor.tobytes() for tensor in tensors.values())


def _weights(script: Script) -> dict[str, np.ndarray]:
    width = VOCABULARY_SIZE
    queries, keys = HEADS * HEAD_WIDTH, KEY_VALUE_HEADS * HEAD_WIDTH
    shapes = {
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "mlp.gate_proj": (FEED_FORWARD, width),
        "mlp.up_proj": (FEED_FORWARD, width),
        "mlp.down_proj": (width, FEED_FORWARD),
    }
    single = np.float32
    tensors = {
        "model.embed_tokens.weight": np.eye(width, dtype=single),
        "lm_head.weight": np.ascontiguousarray(next_token_table(script)),
        "model.norm.weight": np.ones(width, single),
    }
    for layer in range(LAYERS):
        block = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{block}{norm}.weight"] = np.ones(width, single)
        # All zero: a layer adds nothing to what passes it.
        tensors |= {f"{block}{place}.weight": np.zeros(shape, single) for place, shape in shapes.items()}
    return tensors


def _config(script: Script, window_tokens: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": VOCABULARY_SIZE,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_VALUE_HEADS,
        "head_dim": HEAD_WIDTH,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "max_position_embeddings": window_tokens,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": "float32",
        "bos_token_id": script.id_of("<|endoftext|>"),
        "eos_token_id": script.id_of(END),
        "pad_token_id": script.id_of("<|pad|>"),
    }


def _tokenizer(script: Script) -> dict[str, Any]:
    """Byte-level pieces, as GPT-2 has them."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [
        {"id": number, "content": token, "special": kind == "control", **flags}
        for number, (token, kind) in enumerate(zip(script.tokens, script.kinds, strict=True))
        if kind != "normal"
    ]
    bytes_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": bytes_level,
        "post_processor": None,
        "decoder": bytes_level,
        "model": {
            "type": "BPE",
            "unk_token": None,
            "vocab": {token: number for number, token in enumerate(script.tokens)},
            "merges": [list(pair) for pair in script.merges],
        },
    }
