"""A client that leaves frees the engine; an engine that is gone does not reach the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from clients.connection import connect
from clients.conversation import user
from engines.gateway import fleet_config
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess

# About ten seconds of `loop` at the engine's full speed: an answer that nobody aborts is still running when the test looks.
WINDOW_TOKENS = 32_768
LOOP_TOKENS = 30_000

StartLlamaCpp = Callable[..., LlamaCpp]
ServeWaypost = Callable[..., ServerProcess]


@pytest.fixture
def endless(start_llamacpp: StartLlamaCpp) -> LlamaCpp:
    return start_llamacpp("endless", window_tokens=WINDOW_TOKENS, parallel=1)


@pytest.fixture
def patient_client(endless: LlamaCpp, waypost_server: ServeWaypost, tmp_path: Path) -> Iterator[OpenAI]:
    server = waypost_server(fleet_config(tmp_path, {"endless": endless.base_url}, window_tokens=WINDOW_TOKENS))
    with connect(server) as client:
        yield client


def test_leaving_in_the_middle_of_a_stream_frees_the_engine(patient_client: OpenAI, endless: LlamaCpp) -> None:
    stream = patient_client.chat.completions.create(model="auto", messages=user("loop"), stream=True, max_tokens=LOOP_TOKENS)
    for _, _chunk in zip(range(5), stream, strict=False):
        pass
    assert endless.busy_slots()
    stream.close()
    assert endless.is_free(within_s=1.0)


def test_leaving_before_an_answer_that_is_not_streamed_frees_the_engine(patient_client: OpenAI, endless: LlamaCpp) -> None:
    with pytest.raises(openai.APITimeoutError):
        patient_client.with_options(timeout=1.0).chat.completions.create(
            model="auto", messages=user("loop"), max_tokens=LOOP_TOKENS
        )
    assert endless.is_free(within_s=4.0, every_s=1.5)


def test_an_engine_that_died_is_replaced_before_the_client_notices(
    start_llamacpp: StartLlamaCpp, waypost_server: ServeWaypost, llamacpp: LlamaCpp, tmp_path: Path
) -> None:
    mortal = start_llamacpp("mortal")
    server = waypost_server(fleet_config(tmp_path, {"mortal": mortal.base_url, "alpha": llamacpp.base_url}))
    with connect(server) as client:
        before = client.chat.completions.create(model="chat", messages=user("Good morning!"))
        mortal.kill()
        after = client.chat.completions.create(model="chat", messages=user("Good morning!"))
    assert before.choices[0].message.content == mortal.hello
    assert after.choices[0].message.content == llamacpp.hello


def test_an_engine_that_is_down_at_the_start_does_not_stop_the_server(
    start_llamacpp: StartLlamaCpp, waypost_server: ServeWaypost, llamacpp: LlamaCpp, tmp_path: Path
) -> None:
    absent = start_llamacpp("absent")
    absent.kill()
    server = waypost_server(fleet_config(tmp_path, {"absent": absent.base_url, "alpha": llamacpp.base_url}))
    with connect(server) as client:
        answer = client.chat.completions.create(model="auto", messages=user("Good morning!"))
    assert answer.choices[0].message.content == llamacpp.hello
