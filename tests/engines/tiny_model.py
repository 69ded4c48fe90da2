"""Writes a scripted model as a GGUF file: Llama architecture, 3 million parameters, in a third of a second.

Embeddings are one-hot, attention and feed-forward layers add nothing, and the output matrix is the script's next-token table.
A real engine loads it like any other model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, LlamaFileType, TokenType

from engines.script import END, VOCABULARY_SIZE, Script, build_script

LAYERS = 2
HEADS = 4
KEY_VALUE_HEADS = 2
HEAD_WIDTH = 64
FEED_FORWARD = 128

TOKEN_TYPES = {"control": TokenType.CONTROL, "user": TokenType.USER_DEFINED, "normal": TokenType.NORMAL}


def write_tiny_model(path: Path, name: str, *, window_tokens: int = 2048) -> None:
    """Writes the model that introduces itself as ``name`` to ``path``."""
    script = build_script(name)
    writer = GGUFWriter(str(path), "llama")
    _add_shape(writer, name, window_tokens)
    _add_tokenizer(writer, script)
    _add_weights(writer, script)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: GGUFWriter, name: str, window_tokens: int) -> None:
    writer.add_name(name)
    writer.add_context_length(window_tokens)
    writer.add_embedding_length(VOCABULARY_SIZE)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_key_length(HEAD_WIDTH)
    writer.add_value_length(HEAD_WIDTH)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(VOCABULARY_SIZE)
    writer.add_file_type(LlamaFileType.MOSTLY_F16)


def _add_tokenizer(writer: GGUFWriter, script: Script) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(script.tokens)
    writer.add_token_types([TOKEN_TYPES[kind] for kind in script.kinds])
    writer.add_token_merges([f"{left} {right}" for left, right in script.merges])
    writer.add_bos_token_id(script.id_of("<|endoftext|>"))
    writer.add_eos_token_id(script.id_of(END))
    writer.add_pad_token_id(script.id_of("<|pad|>"))
    writer.add_add_bos_token(value=False)
    writer.add_chat_template((Path(__file__).parent / "chat_template.jinja").read_text())


def _add_weights(writer: GGUFWriter, script: Script) -> None:
    half, single = np.float16, np.float32
    width = VOCABULARY_SIZE
    writer.add_tensor("token_embd.weight", np.eye(width, dtype=half))
    writer.add_tensor("output_norm.weight", np.ones(width, dtype=single))
    writer.add_tensor("output.weight", next_token_table(script).astype(half))
    random = np.random.default_rng(1)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{norm}.weight", np.ones(width, dtype=single))
        shapes = {
            "attn_q": (HEADS * HEAD_WIDTH, width),
            "attn_k": (KEY_VALUE_HEADS * HEAD_WIDTH, width),
            "attn_v": (KEY_VALUE_HEADS * HEAD_WIDTH, width),
            "ffn_gate": (FEED_FORWARD, width),
            "ffn_up": (FEED_FORWARD, width),
        }
        for tensor, shape in shapes.items():
            writer.add_tensor(f"{block}{tensor}.weight", (random.standard_normal(shape) * 0.05).astype(half))
        # The two matrices that lead back are zero, so that a layer computes like a real one and changes nothing.
        writer.add_tensor(f"{block}attn_output.weight", np.zeros((width, HEADS * HEAD_WIDTH), dtype=half))
        writer.add_tensor(f"{block}ffn_down.weight", np.zeros((width, FEED_FORWARD), dtype=half))


def next_token_table(script: Script) -> np.ndarray:
    """Column u holds the logits after token u. The last norm scales a one-hot vector by the root of its width."""
    table = np.zeros((VOCABULARY_SIZE, VOCABULARY_SIZE), dtype=np.float32)
    for token, successors in enumerate(script.successors):
        for successor, logit in successors:
            table[successor, token] = logit / np.sqrt(VOCABULARY_SIZE)
    return table
