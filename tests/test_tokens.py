from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from waypost import tokens
from waypost.tokens import estimate

TEXTS: dict[str, str] = json.loads((Path(__file__).parent / "data" / "multilingual.json").read_text("utf-8"))
DEV = Path(__file__).parents[2] / "shared" / "data" / "tasks" / "dev.parquet"
ANY_TEXT = st.text(st.characters(), max_size=300)  # lone surrogates and NUL included


@pytest.fixture
def o200k(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """OpenAI's current tokenizer, from the copy that LiteLLM's package holds."""
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the vocabulary comes with the extra waypost[litellm]")
    folder = Path(spec.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    encoding = tiktoken.get_encoding("o200k_base")
    return lambda text: len(encoding.encode_ordinary(text))


def errors(texts: list[str], count: Callable[[str], int]) -> np.ndarray:
    return np.array([(estimate(text) - real) / real for text in texts if (real := count(text))])


def test_no_language_is_far_too_low_and_few_are_low_at_all(o200k: Callable[[str], int]) -> None:
    found = errors(list(TEXTS.values()), o200k)
    assert found.min() >= -0.15
    assert np.percentile(found, 5) >= -0.10
    assert 0 <= found.mean() <= 0.20


def test_over_real_prompts_the_mean_is_within_15_percent_and_few_are_too_low(o200k: Callable[[str], int]) -> None:
    if not DEV.exists():
        pytest.skip("the shared development data is not here")
    import pyarrow.parquet as pq

    found = errors(pq.read_table(DEV, columns=["text"]).column("text").to_pylist(), o200k)
    assert 0 <= found.mean() <= 0.15
    assert np.percentile(found, 5) >= -0.10


def test_what_tokenizers_count_alike_is_close(o200k: Callable[[str], int]) -> None:
    alike = errors([TEXTS[kind] for kind in ("english", "python", "chinese", "japanese")], o200k)
    assert np.abs(alike).max() <= 0.20


def test_no_text_has_no_tokens_and_any_text_has_some() -> None:
    assert estimate("") == 0
    assert estimate(" ") >= 1
    assert estimate("a") >= 1


@given(ANY_TEXT)
def test_any_text_has_an_estimate(text: str) -> None:
    assert estimate(text) >= (1 if text else 0)


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\udfffb", "\ufeff", "\U0010ffff", "\r\n" * 50])
def test_text_that_is_no_text_has_an_estimate(text: str) -> None:
    assert 1 <= estimate(text) <= 1 + 4 * len(text)


@given(ANY_TEXT, ANY_TEXT)
def test_two_texts_together_have_about_the_tokens_of_both(first: str, second: str) -> None:
    whole, parts = estimate(first + " " + second), estimate(first) + estimate(second)
    assert abs(whole - parts) <= 16


@pytest.mark.parametrize("kind", ["english", "chinese", "python", "json"])
def test_a_very_long_text_is_sampled_without_losing_much(kind: str) -> None:
    text = TEXTS[kind] + "\n"
    times = 300_000 // len(text)
    assert estimate(text * times) == pytest.approx(times * estimate(text), rel=0.05)


def test_a_long_text_of_two_halves_is_sampled_in_both() -> None:
    half = 2_000_000
    english = (TEXTS["english"] * half)[:half]
    both = estimate(english + "中" * half)
    assert both == pytest.approx(estimate(english) + estimate("中" * half), rel=0.05)


def test_megabytes_take_milliseconds() -> None:
    text = TEXTS["english"] * 20_000
    estimate("warm")
    started = time.thread_time()
    estimate(text)
    assert time.thread_time() - started < 0.1


def test_media_count_by_size() -> None:
    assert tokens.image(low_detail=True) < tokens.image()
    assert tokens.audio(48_000, "mp3") > tokens.audio(48_000, "wav") > 0
    assert tokens.document(0) == tokens.document(10) < tokens.document(1_000_000)


def test_importing_the_estimate_loads_no_numpy() -> None:
    code = "import sys, waypost.tokens; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
