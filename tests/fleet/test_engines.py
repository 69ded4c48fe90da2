from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import engine_metadata as metadata
import pytest
from engine_server import ServeEngine, ServeRaw
from hypothesis import given
from hypothesis import strategies as st

from waypost.fleet.deployment import Capabilities
from waypost.fleet.engines import EngineReport, ModelReport, look
from waypost.fleet.reading import MOST_BYTES, billions, count, tokens
from waypost.http.session import HttpSession
from waypost.secret import Secret


async def seen(session: HttpSession, url: str, **options: Any) -> EngineReport:
    report = await look(session, url, **{"timeout_s": 60.0, **options})
    assert report is not None
    return report


async def only_model(session: HttpSession, url: str, **options: Any) -> ModelReport:
    (model,) = (await seen(session, url, **options)).models
    return model


async def test_llamacpp_gives_the_window_of_one_slot_and_what_its_template_can(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.llamacpp(vision=True))
    report = await seen(session, engine.url)
    assert (report.kind, report.version) == ("llamacpp", "b11549")
    (model,) = report.models
    assert (model.name, model.window_tokens, model.loaded) == ("alpha", 2048, True)
    assert model.capabilities == Capabilities(tools=True, vision=True, audio=False, files=False, structured_output=True)
    assert model.parameters_b == pytest.approx(0.00295, rel=0.01)


async def test_a_known_engine_is_asked_few_questions(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp())
    await seen(session, f"{engine.url}/v1")
    assert engine.paths == {"/v1/models", "/props"}


async def test_a_sleeping_llamacpp_is_not_loaded(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp(sleeping=True))
    assert (await only_model(session, engine.url)).loaded is False


async def test_of_a_llamacpp_router_only_the_list_is_read(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llamacpp_router())
    seer, talker = (await seen(session, engine.url)).models
    assert (seer.loaded, seer.window_tokens, seer.capabilities.vision) == (False, None, True)
    assert (talker.loaded, talker.window_tokens, talker.capabilities.vision) == (True, 16384, None)
    assert not [path for path in engine.paths if "?" in path]


async def test_the_real_llamacpp_is_recognised(session: HttpSession, llamacpp: Any) -> None:
    report = await seen(session, llamacpp.base_url)
    assert report.kind == "llamacpp"
    model = report.model(llamacpp.model)
    assert model is not None
    assert (model.window_tokens, model.loaded) == (2048, True)
    assert (model.capabilities.tools, model.capabilities.vision) == (True, False)


async def test_llama_swap_says_what_runs_and_what_is_a_peers(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.llama_swap())
    report = await seen(session, engine.url)
    assert report.kind == "llama_swap"
    assert {model.name: (model.loaded, model.remote) for model in report.models} == {
        "quick": (True, False),
        "slow-70b": (False, False),
        "far": (None, True),
    }
    assert report.model("gpt-4o-mini") == report.models[0]
    assert "/props" not in engine.paths


async def test_vllm_gives_its_window_and_version(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.vllm())
    report = await seen(session, engine.url)
    assert (report.kind, report.version, report.serves) == ("vllm", "0.32.0", True)
    (model,) = report.models
    assert (model.window_tokens, model.parameters_b, model.loaded) == (32768, 7.0, True)
    assert model.capabilities == Capabilities(structured_output=True)


async def test_a_vllm_whose_engine_died_serves_nothing_though_it_lists_its_model(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.vllm(), status={"/health": 503})
    report = await seen(session, engine.url)
    assert (report.serves, report.models[0].loaded) == (False, False)
    assert "restart" in (report.problem or "")


async def test_tensorrt_llm_has_no_window_to_tell(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.tensorrt_llm())
    report = await seen(session, engine.url)
    assert (report.kind, report.version, report.models[0].window_tokens) == ("tensorrt_llm", "1.2.0", None)


async def test_a_tensorrt_llm_whose_engine_is_not_well_serves_nothing(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.tensorrt_llm(), status={"/health": 503})
    report = await seen(session, engine.url)
    assert (report.serves, report.models[0].loaded) == (False, False)
    assert "trtllm-serve" in (report.problem or "")


async def test_the_frontend_of_triton_serves_what_it_lists(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.triton_frontend())
    report = await seen(session, engine.url)
    assert (report.kind, report.serves, report.problem) == ("triton", True, None)
    assert [(model.name, model.loaded) for model in report.models] == [("llama-3.1-8b", True)]
    assert engine.paths == {"/v1/models"}


async def test_triton_is_seen_but_cannot_serve_without_its_openai_frontend(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.triton())
    report = await seen(session, engine.url)
    assert (report.kind, report.serves, report.models) == ("triton", False, ())


async def test_the_real_triton_is_recognised_also_by_the_address_of_one_of_its_models(
    session: HttpSession, triton: Any
) -> None:
    for path in ("", "/v2/models/ensemble/generate", "/v2/models/ensemble/versions/1/generate"):
        report = await seen(session, triton.url + path)
        assert (report.kind, report.version, report.serves) == ("triton", "2.51.0", False)


async def test_lm_studio_counts_what_is_allocated_and_assumes_little_of_the_rest(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    engine = await serve_engine(metadata.lm_studio())
    coder, seer, embedder = (await seen(session, engine.url)).models
    assert (coder.window_tokens, coder.window_assumed, coder.loaded, coder.capabilities.tools) == (16384, False, True, None)
    assert (seer.window_tokens, seer.window_assumed, seer.loaded) == (4096, True, False)
    assert (seer.capabilities.vision, seer.capabilities.tools, coder.capabilities.vision) == (True, True, False)
    assert (embedder.mode, embedder.window_tokens) == ("embedding", 2048)


async def test_ollama_window_comes_from_memory_then_from_the_modelfile_then_from_the_default(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    show = metadata.ollama_show("completion", "tools", "thinking")
    sized = metadata.ollama_show("completion", parameters='stop "x"\nnum_ctx                        16384\n')
    small = metadata.ollama_show("completion", trained=2048)
    models = ({"name": "a:8b", "show": show}, {"name": "b:8b", "show": sized}, {"name": "c:8b", "show": show})
    engine = await serve_engine(metadata.ollama(*models, {"name": "d:1b", "show": small}, running={"a:8b": 32768}))
    report = await seen(session, engine.url)
    assert (report.kind, report.version) == ("ollama", "0.32.0")
    assert [(m.window_tokens, m.window_assumed, m.loaded) for m in report.models] == [
        (32768, False, True),
        (16384, False, False),
        (4096, True, False),
        (2048, True, False),
    ]
    first = report.models[0]
    assert (first.parameters_b, first.mode) == (pytest.approx(8.19, rel=0.01), "chat")
    assert (first.capabilities.tools, first.capabilities.vision, first.capabilities.reasoning) == (True, False, True)


async def test_ollama_says_which_models_run_elsewhere(session: HttpSession, serve_engine: ServeEngine) -> None:
    cloud = {"name": "big:cloud", "remote_host": "https://ollama.com:443", "show": metadata.ollama_show("completion")}
    engine = await serve_engine(metadata.ollama(cloud))
    assert (await only_model(session, engine.url)).remote


async def test_ollama_without_capabilities_leaves_them_unknown(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama({"name": "old:7b", "details": {"parameter_size": "7.2B"}}))
    model = await only_model(session, engine.url)
    assert (model.capabilities, model.parameters_b, model.mode) == (Capabilities(), 7.2, None)


async def test_hundreds_of_ollama_models_are_described_a_few_at_a_time(session: HttpSession, serve_engine: ServeEngine) -> None:
    asked, most = 0, 0

    async def show(body: Any) -> dict[str, Any]:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await asyncio.sleep(0)
        asked -= 1
        return metadata.ollama_show("completion")

    routes = metadata.ollama(*({"name": f"m{number}:8b"} for number in range(300)))
    engine = await serve_engine({**routes, "/api/show": show})
    report = await seen(session, engine.url, timeout_s=20)
    assert len(report.models) == 300
    assert all(model.mode == "chat" for model in report.models)
    assert most <= 8


async def test_only_the_named_models_are_described(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.ollama(*({"name": f"m{number}:latest"} for number in range(5))))
    await seen(session, engine.url, kind="ollama", only={"m3"})
    assert engine.asked.count(("POST", "/api/show")) == 1


async def test_any_openai_compatible_server_is_listed(session: HttpSession, serve_engine: ServeEngine) -> None:
    rows = ({"id": "m-1.5b", "owned_by": "me", "context_length": 9000}, {"id": "nomic-embed"}, {"id": "bge-rerank"})
    engine = await serve_engine({"/v1/models": metadata.listing(*rows)})
    report = await seen(session, engine.url)
    assert report.kind == "openai"
    assert [(m.window_tokens, m.parameters_b, m.mode) for m in report.models] == [
        (9000, 1.5, None),
        (None, None, "embedding"),
        (None, None, "other"),
    ]


async def test_a_wrong_guess_of_the_kind_does_no_harm(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine(metadata.lm_studio())
    assert (await seen(session, engine.url, kind="ollama")).kind == "lm_studio"


async def test_an_engine_that_wants_a_key_says_so_and_gets_it(session: HttpSession, serve_engine: ServeEngine) -> None:
    locked = await serve_engine(metadata.llamacpp(), status={"/v1/models": 401, "/props": 401})
    report = await seen(session, locked.url)
    assert (report.models, report.serves) == ((), True)
    assert "api_key" in (report.problem or "")
    await seen(session, locked.url, api_key=Secret("sesame"))
    assert locked.headers[-1]["authorization"] == "Bearer sesame"


async def test_a_loading_engine_is_not_a_failure(session: HttpSession, serve_engine: ServeEngine) -> None:
    loading = {path: {"error": {"message": "Loading model", "code": 503}} for path in ("/v1/models", "/props")}
    engine = await serve_engine(loading, status=dict.fromkeys(loading, 503))
    report = await seen(session, engine.url)
    assert report.serves
    assert "loading" in (report.problem or "")


async def test_nothing_there_is_none_at_once(session: HttpSession, unused_port: int) -> None:
    assert await asyncio.wait_for(look(session, f"http://127.0.0.1:{unused_port}", timeout_s=60), 30) is None


@pytest.mark.parametrize("url", ["http://[bad", "not an address", "http://", "ftp://127.0.0.1", "http://127.0.0.1:99999999"])
async def test_an_address_that_is_none_is_nothing_found(session: HttpSession, url: str) -> None:
    assert await look(session, url) is None


HTML = b"<!doctype html><html><body>Welcome to nginx</body></html>"


@pytest.mark.parametrize(
    "answer",
    [HTML, b"", b"null", b"[]", b'"models"', b"{" * 5000, b'{"data": 7}', b"\xff\xfe", b'{"data": {"id": "x"}}', b"NaN"],
)
async def test_a_server_that_is_no_engine_is_nothing_found(
    session: HttpSession, serve_engine: ServeEngine, answer: bytes
) -> None:
    paths = ("/v1/models", "/props", "/running", "/version", "/api/version", "/api/tags", "/api/ps", "/api/v0/models", "/v2")
    engine = await serve_engine(dict.fromkeys(paths, answer))
    assert await look(session, engine.url) is None


async def test_rows_of_wrong_types_are_left_out_and_wrong_values_are_unknown(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    good = {
        "id": "good",
        "owned_by": 5,
        "max_model_len": "large",
        "meta": [],
        "status": "loaded",
        "aliases": 4,
        "architecture": 1,
    }
    rows: list[Any] = [None, 7, "x", [], {}, {"id": None}, {"id": 7}, {"id": ""}, {"id": "a\nb"}, {"id": "n" * 300}, good]
    engine = await serve_engine({"/v1/models": {"data": rows}})
    assert (await seen(session, engine.url)).models == (ModelReport("good"),)


@pytest.mark.parametrize("window", [0, -1, True, None, "2048", 1e300, 2048.5, [], 10**30])
async def test_a_window_that_cannot_be_is_unknown(session: HttpSession, serve_engine: ServeEngine, window: Any) -> None:
    engine = await serve_engine(metadata.vllm(window=window))
    assert (await only_model(session, engine.url)).window_tokens is None


async def test_a_lying_ollama_gives_what_can_be_believed(session: HttpSession, serve_engine: ServeEngine) -> None:
    shown = {"parameters": 5, "model_info": [1], "capabilities": "tools", "details": None}
    routes = metadata.ollama({"name": "a:7b", "size": -4, "details": "x", "show": shown}, {"name": 3}, {"name": "b\x1b[31m"})
    engine = await serve_engine({**routes, "/api/ps": {"models": [{"name": "a:7b", "context_length": "lots"}, 4]}})
    model = await only_model(session, engine.url)
    assert model == ModelReport("a:7b", window_tokens=4096, window_assumed=True, loaded=True, parameters_b=7.0)


async def test_a_huge_list_is_cut_short(session: HttpSession, serve_engine: ServeEngine) -> None:
    engine = await serve_engine({"/v1/models": {"data": [{"id": f"m{number}"} for number in range(5000)]}})
    assert len((await seen(session, engine.url)).models) == 1000


async def test_a_list_that_is_too_long_to_be_read_is_an_engine_all_the_same(
    session: HttpSession, serve_engine: ServeEngine
) -> None:
    rows = [{"id": f"model-{number}", "object": "model"} for number in range(100_000)]
    engine = await serve_engine({"/v1/models": {"object": "list", "data": rows}})
    report = await seen(session, engine.url, timeout_s=10)
    assert (report.kind, report.models, report.serves) == ("openai", (), True)
    assert report.problem == "its list of models is too long to be read; name the deployments in the config"


def _head(extra: str = "Content-Type: application/json\r\n") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{extra}\r\n".encode()


async def test_a_huge_body_is_not_read_to_its_end(session: HttpSession, serve_raw: ServeRaw) -> None:
    written: list[int] = []

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = len(written)
        written.append(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_head("Content-Length: 52428800\r\n"))
        for _ in range(800):
            writer.write(b" " * 65536)
            await writer.drain()
            written[connection] += 65536

    assert await look(session, await serve_raw(pour), timeout_s=5) is None
    # Some more than the limit lies in the buffers of the two sockets.
    assert max(written) < 20 * 1024 * 1024


async def test_a_small_body_that_unpacks_to_a_huge_one_is_not_kept(session: HttpSession, serve_raw: ServeRaw) -> None:
    bomb = gzip.compress(b" " * (20 * 1024 * 1024))

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_head(f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n") + bomb)
        await writer.drain()

    assert await look(session, await serve_raw(send), timeout_s=5) is None


async def test_an_answer_in_drips_ends_at_the_deadline(session: HttpSession, serve_raw: ServeRaw) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_head())
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    looking = look(session, await serve_raw(drip), timeout_s=0.3)
    assert await asyncio.wait_for(looking, 30) is None


async def test_silence_ends_at_the_deadline(session: HttpSession, serve_raw: ServeRaw) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    looking = look(session, await serve_raw(say_nothing), timeout_s=0.3)
    assert await asyncio.wait_for(looking, 30) is None


async def test_a_redirect_is_not_followed_and_takes_no_key_along(
    session: HttpSession, serve_engine: ServeEngine, serve_raw: ServeRaw
) -> None:
    trap = await serve_engine(metadata.vllm())

    async def point(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 307 Go\r\nLocation: {trap.url}/v1/models\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    assert await look(session, await serve_raw(point), api_key=Secret("sesame")) is None
    assert trap.asked == []


async def test_what_is_not_http_is_nothing_found(session: HttpSession, serve_raw: ServeRaw) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await writer.drain()

    assert await look(session, await serve_raw(babble)) is None


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("qwen3:8b", 8.0),
        ("Qwen2.5-0.5B-Instruct", 0.5),
        ("mixtral-8x7b", 56.0),
        ("gemma3:270m", 0.27),
        ("qwen3-30b-a3b", 30.0),
        ("llama-3-8b-4bit", 8.0),
        ("gpt-oss:120b", 120.0),
        ("model-q4_k_m", None),
        ("phi-3.5-mini", None),
        ("0b", None),
        (None, None),
    ],
)
def test_sizes_are_read_out_of_names(name: str | None, size: float | None) -> None:
    assert billions(name) == size


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(JSON | st.just(1e300) | st.just(2**51))
def test_a_count_is_believable_or_unknown(value: Any) -> None:
    found = count(json.loads(json.dumps(value)))
    assert found is None or (type(found) is int and 0 <= found <= MOST_BYTES)


@given(JSON)
def test_a_count_of_tokens_is_believable_or_unknown(value: Any) -> None:
    count = tokens(json.loads(json.dumps(value)))
    assert count is None or (type(count) is int and 1 <= count <= 100_000_000)
