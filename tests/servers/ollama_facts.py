"""The facts of Ollama that Waypost leans on, each as a question to a running server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import aiohttp

SHORT = {"num_ctx": 2048, "num_predict": 24, "temperature": 0, "seed": 1}
OTHER_WINDOW = 1024
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
# A model that is there already answers without a load; whatever it takes is far below the shortest load of a real model.
WARM_NS = 100_000_000
_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")


class Differs(Exception):
    """The server does something else; the message says what was seen."""


class NotTried(Exception):
    """The question does not fit this server or this model; the message says why."""


@dataclass
class Server:
    """One server and the model to ask it about."""

    session: aiohttp.ClientSession
    url: str
    model: str
    shown: Mapping[str, Any] = field(default_factory=dict)

    def can(self, capability: str) -> bool:
        return capability in (self.shown.get("capabilities") or ())

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        """Status, content type and text."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.request(method, self.url + path, data=data) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), await answer.text()

    async def json(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer whose status is 200."""
        status, _, text = await self.ask(method, path, body)
        must(status == 200, f"status {status}: {text[:200]}")
        return json.loads(text)

    async def chat(self, text: str = "Say hi.", **more: Any) -> Any:
        """One whole turn, with few tokens and a small window unless told."""
        return await self.json("POST", "/api/chat", self.turn(text, stream=False, **more))

    def turn(self, text: str, **more: Any) -> dict[str, Any]:
        """The body of a turn."""
        quiet = {"think": False} if self.can("thinking") else {}
        return {"model": self.model, "messages": [{"role": "user", "content": text}], "options": SHORT, **quiet, **more}

    async def running(self) -> Mapping[str, Any] | None:
        """The row of the model in the list of those in memory."""
        rows = (await self.json("GET", "/api/ps"))["models"]
        return next((row for row in rows if row["name"] in (self.model, f"{self.model}:latest")), None)

    async def expiry(self) -> datetime:
        """When the model will be thrown out."""
        row = await self.running()
        must(row is not None, "the model is not in /api/ps")
        assert row is not None
        # Go writes nine digits of a second, more than Python reads.
        found = _DATE.match(str(row["expires_at"]))
        must(found is not None, f"expires_at {row['expires_at']}")
        assert found is not None
        return datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00"))


def must(holds: bool, otherwise: str) -> None:
    """Raises `Differs` with what was seen instead."""
    if not holds:
        raise Differs(otherwise)


async def has_a_version(server: Server) -> None:
    said = await server.json("GET", "/api/version")
    must(isinstance(said.get("version"), str), f"{said}")


async def lists_models(server: Server) -> None:
    rows = (await server.json("GET", "/api/tags"))["models"]
    must(bool(rows), "no models")
    missing = {"name", "model", "size", "digest", "details"} - set(rows[0])
    must(not missing, f"a row lacks {sorted(missing)}")
    must(":" in rows[0]["name"], f"a name without a tag: {rows[0]['name']}")


async def describes_a_model(server: Server) -> None:
    info = server.shown["model_info"]
    must(isinstance(server.shown.get("capabilities"), list), "no capabilities")
    must(isinstance(info[f"{info['general.architecture']}.context_length"], int), "no trained maximum")


async def refuses_an_unknown_model(server: Server) -> None:
    status, _, text = await server.ask("POST", "/api/chat", {**server.turn("hi"), "model": "no-such-model"})
    must(status == 404 and isinstance(json.loads(text)["error"], str), f"{status}: {text[:200]}")


async def refuses_an_empty_body(server: Server) -> None:
    status, _, text = await server.ask("POST", "/api/chat", b"")
    must(status == 400 and isinstance(json.loads(text)["error"], str), f"{status}: {text[:200]}")


async def knows_no_other_paths_and_methods(server: Server) -> None:
    seen = [(await server.ask("POST", "/api/nothing", {}))[0], (await server.ask("GET", "/api/chat"))[0]]
    must(seen == [404, 405], f"{seen}")


async def preloads(server: Server) -> None:
    said = await server.json("POST", "/api/chat", {"model": server.model, "messages": [], "options": SHORT})
    must(said.get("done_reason") == "load", f"{said}")
    row = await server.running()
    must(row is not None, "not in /api/ps afterwards")
    assert row is not None
    missing = {"size", "size_vram", "context_length", "expires_at"} - set(row)
    must(not missing, f"its row in /api/ps lacks {sorted(missing)}")


async def streams_lines_unless_told_not_to(server: Server) -> None:
    status, kind, text = await server.ask("POST", "/api/chat", server.turn("Say hi."))
    lines = [json.loads(line) for line in text.splitlines()]
    must((status, kind.partition(";")[0]) == (200, "application/x-ndjson"), f"{status}, {kind}")
    must([line["done"] for line in lines] == [False] * (len(lines) - 1) + [True], "done is not on the last line alone")


async def tells_times_and_counts(server: Server) -> None:
    said = await server.chat()
    wanted = ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")
    missing = [name for name in wanted if not isinstance(said.get(name), int)]
    must(not missing, f"the last line lacks {missing}")
    parts = sum(said[name] for name in ("load_duration", "prompt_eval_duration", "eval_duration"))
    must(parts <= said["total_duration"] * 1.05, f"parts of {parts} ns in a total of {said['total_duration']} ns")


async def ends_at_num_predict(server: Server) -> None:
    said = await server.chat("Count from 1 to 100.", options={**SHORT, "num_predict": 3})
    must(said.get("eval_count", 0) <= 3, f"{said.get('eval_count')} tokens instead of 3")
    must(said["done_reason"] == "length", f"done_reason {said['done_reason']}")


async def reads_keep_alive_at_the_top_level(server: Server) -> None:
    await server.chat(keep_alive="10m")
    short = await server.expiry()
    await server.chat(keep_alive="3h")
    must((await server.expiry() - short).total_seconds() > 3600, "keep_alive 3h did not move the end")


async def ignores_keep_alive_in_options(server: Server) -> None:
    await server.chat(keep_alive="10m")
    before = await server.expiry()
    await server.chat(options={**SHORT, "keep_alive": "3h", "no_such_option": 1})
    must((await server.expiry() - before).total_seconds() < 3600, "keep_alive in options moved the end")


async def keeps_for_ever(server: Server) -> None:
    await server.chat(keep_alive=-1)
    left = await server.expiry() - datetime.now(timezone.utc)
    must(left.days > 365, f"keep_alive -1 ends in {left}")
    await server.chat(keep_alive="10m")


async def answers_a_loaded_model_without_a_load(server: Server) -> None:
    await server.chat()
    said = await server.chat(options={**SHORT, "temperature": 0.5, "top_k": 3, "stop": ["@@"], "seed": 2})
    must(said["load_duration"] < WARM_NS, f"sampling options loaded for {said['load_duration'] / 1e9:.2f} s")


async def reloads_for_another_window(server: Server) -> None:
    await server.chat()
    before = await server.running()
    said = await server.chat(options={**SHORT, "num_ctx": OTHER_WINDOW})
    after = await server.running()
    must(before is not None and after is not None, "not in /api/ps")
    assert before is not None
    assert after is not None
    windows = (before["context_length"], after["context_length"])
    must(windows == (SHORT["num_ctx"], OTHER_WINDOW), f"windows {windows}")
    must(said["load_duration"] > 10_000_000, f"a load of {said['load_duration']} ns")


async def adopts_the_loaded_window(server: Server) -> None:
    if "num_ctx" in (server.shown.get("parameters") or ""):
        raise NotTried("the Modelfile sets num_ctx")
    await server.chat(options={**SHORT, "num_ctx": OTHER_WINDOW})
    await server.chat(options={"num_predict": 4})
    row = await server.running()
    window = row["context_length"] if row else None
    must(window == OTHER_WINDOW, f"the window became {window}: a version before June 2026, or OLLAMA_CONTEXT_LENGTH is set")


async def ignores_a_negative_num_gpu(server: Server) -> None:
    await server.chat()
    said = await server.chat(options={**SHORT, "num_gpu": -1})
    must(said["load_duration"] < WARM_NS, f"num_gpu -1 loaded for {said['load_duration'] / 1e9:.2f} s")


def long_turns() -> list[dict[str, str]]:
    """Messages of far more tokens than the window holds."""
    told = [{"role": "system", "content": "You are brief."}]
    return told + [{"role": "user", "content": f"Message {number}: " + "word " * 200} for number in range(20)]


async def drops_old_messages_in_silence(server: Server) -> None:
    said = await server.chat(messages=long_turns())
    must(said["prompt_eval_count"] <= SHORT["num_ctx"], f"read {said['prompt_eval_count']} tokens")


async def refuses_to_cut_when_told(server: Server) -> None:
    body = server.turn("", messages=long_turns(), stream=False, truncate=False, shift=False)
    status, _, text = await server.ask("POST", "/api/chat", body)
    must(400 <= status < 600 and isinstance(json.loads(text).get("error"), str), f"{status}: {text[:200]}")


async def thinks_by_default(server: Server) -> None:
    if not server.can("thinking"):
        raise NotTried("the model does not think")
    body = {name: value for name, value in server.turn("What is 2 + 2?", stream=False).items() if name != "think"}
    by_default = await server.json("POST", "/api/chat", body)
    must(bool(by_default["message"].get("thinking")), "no thinking though think is absent")
    told = await server.chat("What is 2 + 2?", think=False)
    must(not told["message"].get("thinking"), "thinking though think is false")


async def refuses_to_think_without_the_capability(server: Server) -> None:
    if server.can("thinking"):
        raise NotTried("the model thinks")
    status, _, text = await server.ask("POST", "/api/chat", server.turn("hi", think=True))
    must(status == 400, f"{status}: {text[:200]}")


async def calls_a_tool(server: Server) -> None:
    if not server.can("tools"):
        raise NotTried("the model has no tools")
    said = await server.chat("What is the weather in Paris? Use the tool.", tools=[TOOL], options={**SHORT, "num_predict": 200})
    calls = said["message"].get("tool_calls")
    if not calls:
        raise NotTried("the model did not call the tool")
    must(isinstance(calls[0]["function"]["arguments"], dict), "arguments are no object")
    must(said["done_reason"] == "stop", f"done_reason {said['done_reason']}")


async def refuses_tools_without_the_capability(server: Server) -> None:
    if server.can("tools"):
        raise NotTried("the model has tools")
    status, _, text = await server.ask("POST", "/api/chat", server.turn("hi", tools=[TOOL]))
    must(status == 400, f"{status}: {text[:200]}")


async def holds_an_answer_to_a_schema(server: Server) -> None:
    said = await server.chat("Is the sky blue? Answer in JSON.", format=SCHEMA, options={**SHORT, "num_predict": 200})
    if said["done_reason"] == "length":
        raise NotTried("the answer did not end")
    must(isinstance(json.loads(said["message"]["content"]), dict), f"{said['message']['content'][:200]}")


async def generates(server: Server) -> None:
    quiet = {"think": False} if server.can("thinking") else {}
    body = {"model": server.model, "prompt": "Say hi.", "options": SHORT, "stream": False, **quiet}
    said = await server.json("POST", "/api/generate", body)
    must(isinstance(said.get("response"), str) and said["done"], f"{said}")


async def embeds(server: Server) -> None:
    if not server.can("embedding"):
        raise NotTried("the model does not embed")
    said = await server.json("POST", "/api/embed", {"model": server.model, "input": ["a", "b"]})
    must(len(said["embeddings"]) == 2 and isinstance(said["embeddings"][0][0], float), "no two vectors")


async def speaks_openais_dialect_without_a_window(server: Server) -> None:
    await server.chat()
    body = {"model": server.model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "num_ctx": OTHER_WINDOW}
    said = await server.json("POST", "/v1/chat/completions", body)
    must(said["choices"][0]["message"]["role"] == "assistant", f"{said}")
    row = await server.running()
    window = row["context_length"] if row else None
    must(window != OTHER_WINDOW, "num_ctx of a request to /v1 changed the window")


async def ends_openais_stream_with_counts_and_done(server: Server) -> None:
    said = {"model": server.model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
    body = {**said, "stream": True, "stream_options": {"include_usage": True}}
    status, _, text = await server.ask("POST", "/v1/chat/completions", body)
    events = [line for line in text.splitlines() if line.startswith("data: ")]
    must(status == 200 and events[-1] == "data: [DONE]", f"{status}: {text[-200:]}")
    must(bool(json.loads(events[-2][6:]).get("usage")), "no usage before the end")


async def stops_for_a_client_that_leaves(server: Server) -> None:
    endless = server.turn("Count from 1 to 100000, one number a line.", options={**SHORT, "num_predict": 1500})
    async with server.session.post(f"{server.url}/api/chat", json=endless) as answer:
        await answer.content.readline()
    began = asyncio.get_running_loop().time()
    said = await server.chat()
    waited_s = asyncio.get_running_loop().time() - began - said["total_duration"] / 1e9
    must(waited_s < 5, f"the next request waited {waited_s:.1f} s")


async def unloads(server: Server) -> None:
    said = await server.json("POST", "/api/chat", {"model": server.model, "messages": [], "keep_alive": 0})
    must(said.get("done_reason") == "unload", f"{said}")
    for _ in range(50):  # it leaves as soon as its process has ended
        if await server.running() is None:
            return
        await asyncio.sleep(0.1)
    raise Differs("still in /api/ps after 5 s")


Fact = Callable[[Server], Awaitable[None]]

FACTS: tuple[tuple[str, Fact], ...] = (
    ("GET /api/version names the version", has_a_version),
    ("GET /api/tags lists full names, sizes and digests", lists_models),
    ("POST /api/show tells capabilities and the trained window", describes_a_model),
    ("an unknown model is a 404 with a sentence in error", refuses_an_unknown_model),
    ("an empty body is a 400 with a sentence in error", refuses_an_empty_body),
    ("an unknown path is a 404, a wrong method a 405", knows_no_other_paths_and_methods),
    ("no messages: the model is loaded, and /api/ps tells size, window and end", preloads),
    ("a chat is streamed in lines of JSON unless told not to", streams_lines_unless_told_not_to),
    ("the last line tells times in ns and counts", tells_times_and_counts),
    ("num_predict ends an answer, with done_reason length", ends_at_num_predict),
    ("keep_alive at the top level moves the end", reads_keep_alive_at_the_top_level),
    ("keep_alive and unknown keys in options are ignored", ignores_keep_alive_in_options),
    ("keep_alive -1 keeps for ever", keeps_for_ever),
    ("sampling options do not reload", answers_a_loaded_model_without_a_load),
    ("another num_ctx reloads", reloads_for_another_window),
    ("no num_ctx: the loaded window stays", adopts_the_loaded_window),
    ("num_gpu -1 does not reload", ignores_a_negative_num_gpu),
    ("a prompt that does not fit is cut in silence, and prompt_eval_count says so", drops_old_messages_in_silence),
    ("with truncate and shift false it is an error", refuses_to_cut_when_told),
    ("a thinking model thinks unless told not to", thinks_by_default),
    ("think on another model is a 400", refuses_to_think_without_the_capability),
    ("a tool call's arguments are an object, its done_reason is stop", calls_a_tool),
    ("tools on a model without them are a 400", refuses_tools_without_the_capability),
    ("format holds the answer to a schema", holds_an_answer_to_a_schema),
    ("POST /api/generate answers", generates),
    ("POST /api/embed gives a vector for each text", embeds),
    ("/v1/chat/completions takes no num_ctx", speaks_openais_dialect_without_a_window),
    ("its stream ends with counts and [DONE]", ends_openais_stream_with_counts_and_done),
    ("a client that leaves stops its answer", stops_for_a_client_that_leaves),
    ("keep_alive 0 without messages unloads", unloads),
)
