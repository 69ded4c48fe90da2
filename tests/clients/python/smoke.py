"""One Python client that nobody here wrote against one base URL: its plainest example, with nothing changed but the address.

    python smoke.py CLIENT BASE_URL MODEL NAME

MODEL is what is asked for, NAME what the scripted model calls itself. Prints one JSON object: the name of each check, and null
or what went wrong. It needs the client alone, so it runs in an environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLIENT, BASE_URL, MODEL, NAME = sys.argv[1:5]
HELLO = f"Hello from {NAME}, a tiny local model."
COUNT = " ".join(f"c{number:03d}" for number in range(1, 201))
KEY = "none"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": PARAMETERS}}

Checks = dict[str, Callable[[], Any]]


def same(found: Any, expected: Any) -> None:
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def langchain() -> Checks:
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(base_url=BASE_URL, api_key=KEY, model=MODEL, max_retries=0, stream_usage=True)

    @tool
    def get_weather(city: str) -> str:
        """The weather of a city"""
        return "sunny"

    def stream() -> None:
        whole = None
        for chunk in model.stream("count"):
            whole = chunk if whole is None else whole + chunk
        same(whole.content.strip(), COUNT)
        assert 200 <= whole.usage_metadata["output_tokens"] < 210, whole.usage_metadata

    return {
        "answer": lambda: same(model.invoke("hi").content, HELLO),
        "stream": stream,
        "tools": lambda: same(model.bind_tools([get_weather]).invoke("weather?").tool_calls[0]["args"], {"city": "Paris"}),
        "reasoning": lambda: same(model.invoke("think").content, "I thought about it; the answer is 42"),
    }


def pydantic_ai() -> Checks:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ThinkingPart
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=BASE_URL, api_key=KEY)))
    cities: list[str] = []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        cities.append(city)
        return "sunny"

    def tool_loop() -> None:
        same(agent.run_sync("weather?").output, "The tool says it is sunny")
        same(cities, ["Paris"])

    def reasoning() -> None:
        parts = agent.run_sync("think").new_messages()[-1].parts
        thoughts = [part.content.strip() for part in parts if isinstance(part, ThinkingPart)]
        same(thoughts, ["The user wants some thought."])

    return {"answer": lambda: same(agent.run_sync("hi").output, HELLO), "tool loop": tool_loop, "reasoning": reasoning}


def llm() -> Checks:
    def stream() -> None:
        folder = Path(tempfile.mkdtemp())
        known = f"- model_id: here\n  model_name: {MODEL}\n  api_base: {BASE_URL}\n  api_key_name: here\n"
        (folder / "extra-openai-models.yaml").write_text(known)
        (folder / "keys.json").write_text(json.dumps({"here": KEY}))
        command = [sys.executable, "-m", "llm", "-m", "here", "count"]
        environment = {**os.environ, "LLM_USER_PATH": str(folder)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=environment)
        same((done.stdout.strip(), done.stderr), (COUNT, ""))

    return {"stream": stream}


def instructor() -> Checks:
    import instructor as library
    import openai
    from pydantic import BaseModel

    class City(BaseModel):
        city: str

    client = library.from_openai(openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0), mode=library.Mode.JSON_SCHEMA)

    def schema() -> None:
        messages = [{"role": "user", "content": "hi"}]
        found = client.chat.completions.create(
            model=MODEL, response_model=City, max_retries=0, max_tokens=100, messages=messages
        )
        assert isinstance(found.city, str)

    return {"schema": schema}


def llamaindex() -> Checks:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    model = OpenAILike(api_base=BASE_URL, api_key=KEY, model=MODEL, is_chat_model=True, context_window=2048, max_retries=0)

    def said(text: str) -> list[Any]:
        return [ChatMessage(role="user", content=text)]

    return {
        "answer": lambda: same(model.chat(said("hi")).message.content, HELLO),
        "stream": lambda: same("".join(piece.delta or "" for piece in model.stream_chat(said("count"))).strip(), COUNT),
    }


def litellm() -> Checks:
    import litellm as library

    library.telemetry = False

    def ask(text: str, **more: Any) -> Any:
        messages = [{"role": "user", "content": text}]
        model = f"openai/{MODEL}"
        return library.completion(model=model, api_base=BASE_URL, api_key=KEY, num_retries=0, messages=messages, **more)

    def stream() -> None:
        same("".join(chunk.choices[0].delta.content or "" for chunk in ask("count", stream=True)).strip(), COUNT)

    def tools() -> None:
        same(ask("weather?", tools=[WEATHER]).choices[0].message.tool_calls[0].function.name, "get_weather")

    def reasoning() -> None:
        same(ask("think").choices[0].message.reasoning_content.strip(), "The user wants some thought.")

    return {
        "answer": lambda: same(ask("hi").choices[0].message.content, HELLO),
        "stream": stream,
        "tools": tools,
        "reasoning": reasoning,
    }


CLIENTS = {made.__name__: made for made in (langchain, pydantic_ai, llm, instructor, llamaindex, litellm)}


def outcome(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except Exception as error:  # noqa: BLE001 -- whatever a client raises is the outcome
        return f"{type(error).__name__}: {error}"[:500]
    return None


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # some clients print
        outcomes = {name: outcome(check) for name, check in CLIENTS[CLIENT]().items()}
    sys.stdout.write(json.dumps(outcomes))
