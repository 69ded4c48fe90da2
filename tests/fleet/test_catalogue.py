from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from waypost.fleet.catalogue import Catalogue
from waypost.fleet.deployment import Capabilities, Deployment, Price

ROWS: dict[str, Any] = {
    "sample_spec": {"litellm_provider": "one of many", "max_input_tokens": "a number"},
    "gpt-x": {
        "litellm_provider": "openai",
        "mode": "chat",
        "max_input_tokens": 128000,
        "max_output_tokens": 16384,
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-06,
        "supports_function_calling": True,
        "supports_vision": True,
        "supports_response_schema": True,
        "supports_pdf_input": False,
    },
    "groq/gpt-x": {"litellm_provider": "groq", "input_cost_per_token": 1e-07, "output_cost_per_token": 2e-07},
    "ollama/llama3": {
        "litellm_provider": "ollama",
        "mode": "chat",
        "max_input_tokens": 8192,
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 0.0,
        "supports_function_calling": True,
    },
    "gemini-x": {"litellm_provider": "vertex_ai-language-models", "max_input_tokens": 1000},
    "embed-x": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08, "output_cost_per_token": 0.0},
    "wrong": {
        "litellm_provider": "openai",
        "max_input_tokens": "many",
        "input_cost_per_token": "free",
        "supports_vision": "yes",
    },
    "worse": ["not a row"],
}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(ROWS))
    return Catalogue(path)


def cloud(provider: str, model: str, **fields: Any) -> Deployment:
    return Deployment(id=model, group=model, provider=provider, model=model, lane="litellm", local=False, **fields)


def test_a_row_gives_window_price_and_capabilities(catalogue: Catalogue) -> None:
    facts = catalogue.facts("openai", "gpt-x")
    assert facts is not None
    assert (facts.window_tokens, facts.max_output_tokens, facts.mode) == (128000, 16384, "chat")
    assert facts.price == Price(2.5e-06, 1e-05, 1.25e-06)
    assert facts.capabilities == Capabilities(tools=True, vision=True, files=False, structured_output=True)


def test_a_price_is_the_providers_own(catalogue: Catalogue) -> None:
    groq = catalogue.facts("groq", "gpt-x")
    assert groq is not None
    assert groq.price == Price(1e-07, 2e-07)
    assert catalogue.facts("custom_openai", "gpt-x") is None
    assert catalogue.facts("open", "gpt-x") is None
    assert catalogue.facts("vertex_ai", "gemini-x") is not None


def test_wrong_types_are_unknown(catalogue: Catalogue) -> None:
    facts = catalogue.facts("openai", "wrong")
    assert facts is not None
    assert (facts.window_tokens, facts.price, facts.capabilities) == (None, None, Capabilities())
    assert catalogue.facts("openai", "worse") is None
    assert catalogue.facts("one of many", "sample_spec") is None


def test_two_zeros_are_no_price_and_one_is(catalogue: Catalogue) -> None:
    local, embedding = catalogue.facts("ollama", "llama3"), catalogue.facts("openai", "embed-x")
    assert local is not None
    assert embedding is not None
    assert local.price is None
    assert (embedding.price, embedding.mode) == (Price(2e-08, 0.0), "embedding")


def test_it_fills_what_is_unknown_and_says_so(catalogue: Catalogue) -> None:
    said = cloud("openai", "gpt-x", window_tokens=1000, capabilities=Capabilities(vision=False))
    filled = catalogue.fill(said)
    assert (filled.window_tokens, filled.capabilities.vision, filled.capabilities.tools) == (1000, False, True)
    assert filled.price == Price(2.5e-06, 1e-05, 1.25e-06)
    assert dict(filled.sources) == dict.fromkeys(
        ("max_output_tokens", "price", "mode", "tools", "files", "structured_output"), "catalogue"
    )
    assert catalogue.fill(filled) is filled


def test_a_local_model_gets_capabilities_but_neither_window_nor_price(catalogue: Catalogue) -> None:
    local = replace(cloud("ollama_chat", "llama3"), local=True)
    filled = catalogue.fill(local)
    assert (filled.capabilities.tools, filled.window_tokens, filled.price) == (True, None, None)


def test_a_local_server_that_borrows_a_name_gets_nothing(catalogue: Catalogue) -> None:
    borrowed = replace(cloud("openai", "gpt-x"), local=True)
    assert catalogue.fill(borrowed) is borrowed


@pytest.mark.parametrize("content", [None, b"", b"[1, 2]", b"<html>", b"\xff"])
def test_without_a_readable_table_everything_is_unknown(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "table.json"
    if content is not None:
        path.write_bytes(content)
    assert Catalogue(path).facts("openai", "gpt-x") is None
    assert Catalogue(None).facts("openai", "gpt-x") is None


def test_the_installed_table_is_read_without_importing_litellm() -> None:
    if importlib.util.find_spec("litellm") is None:
        pytest.skip("LiteLLM is not installed")
    script = """
import sys
from waypost.fleet.catalogue import Catalogue
facts = Catalogue.load().facts("openai", "gpt-4o")
assert facts.window_tokens == 128000 and facts.price.input_usd > 0 and facts.capabilities.vision, facts
assert "litellm" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_absent_package_is_an_empty_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Catalogue.load().facts("openai", "gpt-4o") is None
