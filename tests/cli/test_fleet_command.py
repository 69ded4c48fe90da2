"""`waypost fleet` and `waypost fleet plan`."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cli.documented import keys_of
from engines.process import free_port
from ledger.outcomes import outcome
from servers.ollama_server import OllamaModel, in_thread
from waypost.cli import group
from waypost.cli.fleet import _row
from waypost.cli.fleet_plan import GIB, plan_of, print_plans
from waypost.ledger.entry import iso_time
from waypost.ledger.reader import SqliteReader
from waypost.ledger.sqlite import SqliteLedger


def fleet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["fleet", *map(str, arguments)])


@pytest.fixture
def no_server(tmp_path: Path) -> Path:
    """A config whose server does not run, with an Ollama that does."""
    return tmp_path / "waypost.yaml"


def test_without_a_server_the_engines_are_looked_at_and_nothing_is_loaded_for_that(no_server: Path) -> None:
    with in_thread(OllamaModel("qwen3:8b", file_bytes=5 * 2**30)) as ollama:
        no_server.write_text(f"server: {{port: {free_port()}}}\ndiscovery: {{targets: [{{url: '{ollama.url}'}}]}}\n")
        result = fleet("-c", no_server)
        rows = json.loads(fleet("-c", no_server, "--json").stdout)
        assert ollama.loads == []
    assert "looked at just now" in result.stderr
    header, line = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert header == "deployment engine loaded size window load tok/s in / out calls"
    assert line == "qwen3:8b ollama no 6.0 GiB ? 11.7 s, guessed ? / ? 0 of ours"
    [row] = rows
    assert list(row) == keys_of("fleet")
    assert row["residency"]["memory"] == {"resident": [], "capacity_bytes": None, "max_models": None, "loading": None}


def test_a_server_is_asked_for_what_it_has_learned(gateway: Any) -> None:
    url = gateway.base_url.removesuffix("/v1")
    result = fleet("--url", url, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {row["residency"]["engine"] for row in json.loads(result.stdout)} == {"llamacpp", "llamacpp-2"}
    lines = fleet("--url", url).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [row["id"] for row in json.loads(result.stdout)]


def test_a_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    result = fleet("--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "waypost serve" in str(result.exception)


def test_clouds_are_not_listed(fleet_file: Path) -> None:
    rows = json.loads(fleet("-c", fleet_file, "--json").stdout)
    assert [row["id"] for row in rows] == ["eyes", "hands"]
    assert rows[0]["residency"] is None


def test_no_local_deployment_is_said_in_words(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    file.write_text(f"server: {{port: {free_port()}}}\ndiscovery: {{enabled: false}}\n")
    assert fleet("-c", file).stdout == "no local deployment\n"


def row(residency: dict[str, Any] | None = None, **facts: Any) -> list[str]:
    return _row({"id": "m", "up": True, "loaded": True, "in_flight": 2, "residency": residency, **facts})


def test_what_is_known_is_shown_and_what_is_not_is_a_question_mark() -> None:
    known = {
        "engine": "ollama",
        "weights": "m",
        "size_bytes": 3 * 2**30,
        "gpu_share": 0.6,
        "window_tokens": 8192,
        "load_s": 12.44,
        "loads_seen": 3,
        "prompt_tokens_per_s": 1830.4,
        "answer_tokens_per_s": 61.0,
        "running": 2,
        "waiting": 1,
        "memory": {"loading": None},
    }
    busy = "2 running, 1 waiting"
    assert row(known) == ["m", "ollama", "yes, 60% on the GPU", "3.0 GiB", "8,192", "12.4 s, 3 seen", "1,830 / 61", busy]
    assert row() == ["m", "?", "yes", "?", "?", "?", "? / ?", "2 of ours"]


@pytest.mark.parametrize(
    ("facts", "known", "told"),
    [
        ({"up": False}, {}, "down"),
        ({"loaded": None}, {}, "?"),
        ({"loaded": False}, {"weights": "m", "memory": {"loading": "m"}}, "loading"),
        ({"loaded": False}, {"weights": "m", "misfit": True, "memory": None}, "no, it does not fit now"),
    ],
)
def test_the_state_of_a_model_is_one_word_or_a_few(facts: dict[str, Any], known: dict[str, Any], told: str) -> None:
    assert row(known, **facts)[2] == told


def plan(*arguments: str | Path) -> Result:
    return fleet("plan", *arguments)


def of_engine(name: str, size_gib: float, **known: Any) -> dict[str, Any]:
    """A row of ``GET /v1/models`` of a model of an Ollama with 16 GiB."""
    memory = {"resident": [], "capacity_bytes": 16 * GIB, "max_models": None, "loading": None, **known.pop("memory", {})}
    residency = {
        "engine": "ollama",
        "weights": name,
        "size_bytes": round(size_gib * GIB),
        "gpu_share": 1.0,
        "load_s": 10.0,
        "loads_seen": 3,
        "demand": 0.0,
        "memory": memory,
        **known,
    }
    return {"id": name, "waypost": {"local": True, "provider": "ollama_chat", "model": f"{name}:8b", "residency": residency}}


THREE = [of_engine("voice", 5), of_engine("eyes", 9), of_engine("books", 8, loads_seen=0, gpu_share=None)]
NOW_S = 1_760_000_000.0


def printed(*rows: dict[str, Any], answered: dict[str, tuple[int, str]] | None = None) -> list[str]:
    out = Console(file=StringIO(), width=200)
    print_plans(out, plan_of(rows, answered or {}, 7.0, NOW_S))
    return [" ".join(line.split()) for line in out.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_plan_says_what_stays_what_comes_on_demand_and_the_lines_that_do_it() -> None:
    a_day_ago = iso_time(NOW_S - 86_400)
    lines = printed(*THREE, answered={"voice": (336, a_day_ago), "eyes": (48, a_day_ago), "books": (96, a_day_ago)})
    assert lines[:2] == [
        "ollama: 16.0 GiB for models",
        "How often each is asked for is from 480 requests of the last 7 days in the ledger.",
    ]
    assert lines[4:7] == [
        "voice 5.0 GiB 10.0 s 70% stays",
        "eyes 9.0 GiB 10.0 s 10% on demand: loaded for 67% of its requests",
        "books 8.0 GiB, guessed 10.0 s, guessed 20% on demand: loaded for 33% of its requests",
    ]
    assert lines[8] == ("A request waits 1.3 s for loads on average, at most, or 27 s an hour at 20.0 requests an hour.")
    assert lines[-2:] == ["- model_name: voice", "litellm_params: {model: ollama_chat/voice:8b, keep_alive: -1}"]


def test_without_a_ledger_the_servers_requests_count_and_without_those_all_count_the_same() -> None:
    [seen] = plan_of([of_engine("a", 5, demand=0.9), of_engine("b", 5, demand=0.1)], {}, 7.0, NOW_S)
    assert (seen.demand.source, seen.demand.shares["a"]) == ("the server's latest requests", 0.9)
    [same] = plan_of(THREE, {}, 7.0, NOW_S)
    assert same.demand.source.startswith("nothing")
    assert set(same.demand.shares.values()) == {1 / 3}


def test_more_models_than_ollama_holds_by_default_are_said() -> None:
    small = [of_engine(f"m{at}", 2, demand=0.2) for at in range(4)]
    lines = printed(*small, *(of_engine(name, 8, demand=0.1) for name in ("eyes", "books")))
    assert "Ollama needs OLLAMA_MAX_LOADED_MODELS=5, as it holds 3 models for each GPU without it." in lines


def test_where_everything_fits_there_is_nothing_to_do() -> None:
    assert printed(of_engine("voice", 5), of_engine("eyes", 9))[-1] == "Everything fits: nothing has to be pinned."


def test_an_unknown_memory_or_size_is_said_with_what_to_do() -> None:
    unknown = {"memory": {"capacity_bytes": None}}
    assert "state it as `memory_gib`" in printed(of_engine("voice", 5, **unknown))[-1]
    assert printed(of_engine("voice", 5), of_engine("eyes", 1, size_bytes=None))[-1].startswith(
        "No plan: the size of eyes is not"
    )


def test_the_command_plans_from_what_the_engine_says(tmp_path: Path) -> None:
    file = tmp_path / "waypost.yaml"
    models = [OllamaModel(name, file_bytes=5 * GIB) for name in ("voice", "eyes", "books")]
    with in_thread(*models) as ollama:
        stated = f"targets: [{{url: '{ollama.url}'}}], engines: [{{url: '{ollama.url}', memory_gib: 13}}]"
        text = f"server: {{port: {free_port()}}}\nledger: {{path: '{tmp_path / 'none.db'}'}}\ndiscovery: {{{stated}}}\n"
        file.write_text(text)
        result = plan("-c", file, "--json")
        assert (result.exit_code, ollama.loads) == (0, [])
        [made] = json.loads(result.stdout)
        file.write_text(text.replace(", memory_gib: 13", ""))
        refused = plan("-c", file)
    assert list(made) == keys_of("fleet plan")
    assert [one["plan"] for one in made["models"]].count("stays") == 1
    assert made["config"][1].endswith("keep_alive: -1}")
    assert refused.exit_code == 1
    assert "No plan: how much memory ollama has" in refused.stdout


def test_the_ledger_says_how_often_each_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)

    async def store() -> None:
        ledger.start()
        for at in range(3):
            ledger.write(outcome(f"wp_{at}", deployment="voice"))
        ledger.write(outcome("wp_kept", deployment="voice", cache="hit"))
        ledger.write(outcome("wp_none", deployment=None))
        await ledger.close()

    asyncio.run(store())
    began = iso_time(1_700_000_000.25)
    assert SqliteReader(path).answered_since(iso_time(0.0)) == {"voice": (3, began)}
    assert SqliteReader(path).answered_since(iso_time(1_700_000_001.0)) == {}
