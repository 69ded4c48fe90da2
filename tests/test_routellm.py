"""RouteLLM's own routers behind Waypost's interface: with the real package where it is installed, else with a stand-in."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from waypost.errors import ArtefactError
from waypost.routellm import ROUTERS, load_router

REAL = pytest.mark.skipif(find_spec("routellm") is None, reason="routellm is not installed: pip install 'waypost[routellm]'")
DIMENSIONS = 1536


class Long:
    """Says what a router of RouteLLM says, for a checkpoint that has a file called fine."""

    def __init__(self, checkpoint_path: str) -> None:
        (Path(checkpoint_path) / "fine").read_text()

    def calculate_strong_win_rate(self, prompt: str) -> float:
        return len(prompt) / 10 if prompt else 1 / 0


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("routellm.routers.routers")
    module.ROUTER_CLS = {"bert": Long, "random": type("Random", (), {})}  # type: ignore[attr-defined]
    for name in ("routellm", "routellm.routers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "routellm.routers.routers", module)


@pytest.mark.usefixtures("stand_in")
def test_a_router_is_made_from_a_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "fine").write_text("")
    router = load_router("bert", tmp_path)
    assert router.calculate_strong_win_rate("abc") == 0.3


@pytest.mark.usefixtures("stand_in")
def test_nothing_is_ever_downloaded(tmp_path: Path) -> None:
    for folder in (None, Path("routellm/bert_gpt4_augmented"), tmp_path / "absent"):
        with pytest.raises(ArtefactError, match="hf download routellm/bert_gpt4_augmented"):
            load_router("bert", folder)


@pytest.mark.usefixtures("stand_in")
def test_what_fails_is_said_without_paths_and_words_of_others(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot be made from that folder") as broken:
        load_router("bert", tmp_path)
    assert str(tmp_path) not in broken.value.message
    (tmp_path / "fine").write_text("")
    router = load_router("bert", tmp_path)
    with pytest.raises(ArtefactError, match="bert failed with ZeroDivisionError"):
        router.calculate_strong_win_rate("")
    with pytest.raises(ArtefactError, match=r"gave 2\.0 for a win rate"):
        router.calculate_strong_win_rate("x" * 20)


def test_a_name_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="it has random, mf, bert, sw_ranking"):
        load_router("gpt", None)
    with pytest.raises(ArtefactError, match="make it in a module of your own"):
        load_router("causal_llm", tmp_path)


def test_without_the_package_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "routellm.routers.routers", None)
    with pytest.raises(ArtefactError, match=r"pip install 'waypost\[routellm\]'"):
        load_router("random", None)


def test_without_a_key_of_openai_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The real package makes a client when it is imported, and fails like this.
    package = tmp_path / "routellm" / "routers"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "routers.py").write_text("raise RuntimeError('Missing credentials')")
    for name in ("routellm", "routellm.routers", "routellm.routers.routers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ArtefactError, match="wants OPENAI_API_KEY to be set"):
        load_router("random", None)
    for name in ("routellm", "routellm.routers"):
        sys.modules.pop(name, None)


class Embeddings(BaseHTTPRequestHandler):
    """Speaks OpenAI's /v1/embeddings: a prompt's vector is made of its letters."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        vector = [float(ord(letter) % 7 - 3) for letter in asked["input"][0][:DIMENSIONS].ljust(DIMENSIONS)]
        body = json.dumps({"object": "list", "model": asked["model"], "data": [{"index": 0, "embedding": vector}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[None]:
    """Set before the package is imported, as it makes its client then."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
        patch.setenv("OPENAI_API_KEY", "none")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield
    server.shutdown()
    server.server_close()
    thread.join()


def bert(folder: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwhat\nis\na\nproof")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=9, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=3
    )
    BertForSequenceClassification(config).save_pretrained(folder)


def mf(folder: Path) -> None:
    from routellm.routers.matrix_factorization.model import MFModel

    MFModel(dim=128, num_models=64, text_dim=DIMENSIONS, num_classes=1, use_proj=True).save_pretrained(folder)


def sw_ranking(folder: Path) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from routellm.routers.matrix_factorization.model import MODEL_IDS

    rng, names = np.random.default_rng(1), list(MODEL_IDS)
    first, second = rng.integers(0, len(names), (2, 600))
    second = np.where(first == second, (second + 1) % len(names), second)
    # The higher a model's number, the more it wins.
    wins = rng.random(600) < 1 / (1 + np.exp((second - first) / 20))
    battles = {
        "model_a": [names[n] for n in first],
        "model_b": [names[n] for n in second],
        "prompt": [json.dumps([f"a question long enough, no. {n}"]) for n in range(600)],
        "winner_model_a": wins.astype(int),
        "winner_model_b": 1 - wins.astype(int),
    }
    for name, table in (("battles", battles), ("embeddings", {"embeddings": list(rng.normal(size=(600, DIMENSIONS)))})):
        (folder / name).mkdir()
        pq.write_table(pa.table(table), folder / name / "train.parquet")


MAKE = {"bert": bert, "mf": mf, "sw_ranking": sw_ranking, "random": lambda folder: None}


@REAL
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("name", sorted(MAKE))
def test_the_real_ones_give_win_rates(name: str, tmp_path: Path) -> None:
    MAKE[name](tmp_path)
    router = load_router(name, tmp_path)
    rates = [router.calculate_strong_win_rate(prompt) for prompt in ("what is a proof", "a", "prove Fermat's last theorem")]
    assert all(0 <= rate <= 1 for rate in rates)
    assert len(set(rates)) == 3


@REAL
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("endpoint")
def test_the_names_are_those_of_the_package() -> None:
    from routellm.routers.routers import ROUTER_CLS

    assert sorted(ROUTER_CLS) == sorted([*ROUTERS, "causal_llm"])
