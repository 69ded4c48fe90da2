"""Models in Python files are read, and nothing of the files is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waypost.config.doctor import diagnose
from waypost.config.loader import Loaded, try_load

FIRST_GENERATION = """
import os
from litellm import Router

class ZoeRouter:
    def __init__(self):
        self.router = Router(
            model_list=[
                {
                    "model_name": "zoe-memory",
                    "litellm_params": {
                        "model": "ollama/llama3.2:3b",
                        "api_base": os.getenv("OLLAMA_BASE", "http://localhost:11434"),
                        "temperature": 0.7,
                    },
                    "model_info": {"id": "zoe-memory-retrieval"},
                },
                {
                    "model_name": "zoe-chat",
                    "litellm_params": {
                        "model": "ollama/llama3.2:3b",
                        "api_base": os.getenv("OLLAMA_BASE", "http://localhost:11434"),
                        "temperature": 0.7,
                    },
                },
            ],
            num_retries=2,
        )
"""

SECOND_GENERATION = """
raise SystemExit("this file must not be run")
STOP = ["\\n\\n", "User:", "<tool_call>"]
BASE = "http://127.0.0.1:11434"
MODEL_CONFIGS = {
    "hermes3:8b": ModelConfig(
        name="hermes3:8b",
        category=ModelCategory.BALANCED,
        num_predict=512,
        num_ctx=4096,
        stop_tokens=STOP,
        timeout=60,
        num_gpu=-1,
        description="the best" + " of all",
        tool_calling_score=95.0,
    ),
    "eyes": {
        "model": "ollama_chat/gemma3n",
        "api_base": BASE,
        "num_gpu": 99,
        "keep_alive": "30m",
    },
}
"""


def read(folder: Path, text: str) -> Loaded:
    file = folder / "models.py"
    file.write_text(text)
    return try_load(file, env={})


def params(loaded: Loaded) -> list[dict[str, Any]]:
    return [entry["litellm_params"] for entry in loaded.root.plain()["model_list"]]


def found(loaded: Loaded) -> list[tuple[int, str]]:
    return [(one.line, one.rule) for one in diagnose(loaded)]


def test_a_model_list_is_found_wherever_it_stands(tmp_path: Path) -> None:
    loaded = read(tmp_path, FIRST_GENERATION)
    assert loaded.config is not None
    memory, chat = loaded.config.setup.deployments
    assert (memory.id, chat.id) == ("zoe-memory-retrieval", "zoe-chat")
    assert {memory.model, chat.model} == {"llama3.2:3b"}
    assert memory.api_base == "http://localhost:11434"
    assert found(loaded) == [(12, "ollama-prefix"), (18, "collapsed-routes"), (21, "ollama-prefix")]


def test_model_configs_are_calls_or_dicts_and_only_settings_are_taken(tmp_path: Path) -> None:
    loaded = read(tmp_path, SECOND_GENERATION)
    assert loaded.config is not None
    assert loaded.config.warnings == ()
    assert params(loaded) == [
        {
            "model": "ollama_chat/hermes3:8b",
            "num_predict": 512,
            "num_ctx": 4096,
            "stop": ["\n\n", "User:", "<tool_call>"],
            "timeout": 60,
            "num_gpu": -1,
        },
        {"model": "ollama_chat/gemma3n", "api_base": "http://127.0.0.1:11434", "num_gpu": 99, "keep_alive": "30m"},
    ]
    assert found(loaded) == [
        (3, "stop-cuts-replies"),
        (3, "stop-role-marker"),
        (3, "stop-cuts-tool-calls"),
        (9, "num-predict-beats-max-tokens"),
        (20, "num-gpu-misunderstood"),
    ]


def test_a_key_never_comes_from_a_default_and_a_variable_becomes_a_reference(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        "MODEL_CONFIGS = {\n"
        "  'a': dict(model='openai/x', api_key=os.getenv('KEY', 's3cret'), api_base=os.environ['BASE']),\n"
        "  'b': dict(model='openai/x', api_key=os.environ.get('KEY') or 's3cret', api_base=os.getenv('B') or 'http://b'),\n}\n",
    )
    assert params(loaded) == [
        {"model": "openai/x", "api_key": "os.environ/KEY", "api_base": "os.environ/BASE"},
        {"model": "openai/x", "api_key": "os.environ/KEY", "api_base": "http://b"},
    ]


def test_what_is_set_on_litellms_class_is_found(tmp_path: Path) -> None:
    loaded = read(
        tmp_path, "litellm.OllamaConfig.num_ctx = 8192\nOllamaConfig(num_gpu=1)\nMODEL_CONFIGS = {'a': dict(seed=1)}\n"
    )
    assert found(loaded) == [(1, "class-settings-ignored"), (2, "class-settings-ignored")]


def test_what_is_no_plain_value_is_left_out_and_told(tmp_path: Path) -> None:
    loaded = read(tmp_path, "MODEL_CONFIGS = {\n'a': dict(seed=1 + 1, top_k=40, num_ctx=int('8')),\nNAME: dict(seed=1)}\n")
    assert loaded.config is not None
    assert params(loaded) == [{"model": "ollama_chat/a", "top_k": 40}]
    assert loaded.config.warnings == tuple(
        f"models.py:{line}: this is no plain value, and left out: nothing of the file is run" for line in (2, 3)
    )


def test_other_dicts_are_merged_in(tmp_path: Path) -> None:
    text = (
        "SAME = {'num_ctx': 4096}\nmodel_list = [{'model_name': 'a', 'litellm_params': {'model': 'ollama_chat/a', **SAME}}]\n"
    )
    assert params(read(tmp_path, text)) == [{"model": "ollama_chat/a", "num_ctx": 4096}]


@pytest.mark.parametrize("made", ["ModelConfig(**SAME, top_k=40)", "{**SAME, 'top_k': 40}"])
def test_dicts_are_merged_into_model_configs_too(tmp_path: Path, made: str) -> None:
    text = f"SAME = {{'num_ctx': 4096, **{{'seed': 1}}}}\nMODEL_CONFIGS = {{'a': {made}}}\n"
    assert params(read(tmp_path, text)) == [{"model": "ollama_chat/a", "num_ctx": 4096, "seed": 1, "top_k": 40}]


def test_a_model_that_is_added_later_is_read_too(tmp_path: Path) -> None:
    text = (
        "MODEL_CONFIGS = {'a': {'seed': 1}}\nMODEL_CONFIGS['b'] = ModelConfig(seed=2)\nMODEL_CONFIGS[x] = ModelConfig(seed=3)\n"
    )
    loaded = read(tmp_path, text)
    assert sorted(entry["model"] for entry in params(loaded)) == ["ollama_chat/a", "ollama_chat/b"]
    assert loaded.config is not None
    assert [warning[:12] for warning in loaded.config.warnings] == ["models.py:3:"]


def test_a_call_of_dict_is_a_dict_wherever_it_stands(tmp_path: Path) -> None:
    text = (
        "model_list = [dict(model_name='a', litellm_params=dict(model='ollama_chat/a', seed=1))]\nMODEL_CONFIGS = dict(b={})\n"
    )
    assert params(read(tmp_path, text)) == [{"model": "ollama_chat/a", "seed": 1}, {"model": "ollama_chat/b"}]


def test_dicts_that_hold_each_other_come_to_an_end(tmp_path: Path) -> None:
    doubled = "a0 = {}\n" + "".join(f"a{n} = {{**a{n - 1}, **a{n - 1}}}\n" for n in range(1, 40))
    for text in ("a = {**a}\nMODEL_CONFIGS = {'x': a}\n", f"{doubled}MODEL_CONFIGS = {{'x': {{**a39}}}}\n"):
        assert read(tmp_path, text).problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def broken(:\n", "models.py:1: not Python that can be parsed"),
        ("x = 1\n\0", "not Python that can be parsed"),
        ("-" * 100_000 + "1", "not Python that can be parsed"),
        ("x = [1]\n", "models.py:1: no models: there is neither a `model_list` of dicts nor `MODEL_CONFIGS` in it"),
        ("MODEL_CONFIGS = MODEL_CONFIGS\n", "no models"),
        ("a = ['x'] * 9\nmodel_list = a\n", "no models"),
    ],
)
def test_a_file_without_models_is_a_problem(tmp_path: Path, text: str, problem: str) -> None:
    loaded = read(tmp_path, text)
    assert loaded.config is None
    assert problem in loaded.problems[0]


def test_names_that_lead_to_names_do_not_grow_without_end(tmp_path: Path) -> None:
    rows = ["a0 = ['x'] "] + [f"a{i} = [a{i - 1}, a{i - 1}]" for i in range(1, 60)]
    loaded = read(tmp_path, "\n".join(rows) + "\nMODEL_CONFIGS = {'m': dict(stop=a59)}\n")
    assert "once its names are followed" in loaded.problems[0]
