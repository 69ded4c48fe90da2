"""What an Ollama is sent: every parameter where it reads it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from waypost.dispatch.events import Call
from waypost.dispatch.ollama_request import OPTIONS, THINKING_TOKENS, ollama_request
from waypost.errors import ProviderCannot
from waypost.fleet.deployment import Capabilities, Deployment

PIXEL = "iVBORw0KGgo="
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
TIME = {"type": "function", "function": {"name": "get_time"}}
HI = [{"role": "user", "content": "hi"}]


def deployment(
    *, reasoning: bool | None = None, window: int | None = None, source: str = "config", model: str = "qwen3:8b"
) -> Deployment:
    return Deployment(
        "q",
        "q",
        "ollama_chat",
        model,
        "ollama",
        local=True,
        capabilities=Capabilities(reasoning=reasoning),
        window_tokens=window,
        sources=MappingProxyType({"window_tokens": source}),
    )


def sent(
    messages: list[dict[str, Any]] = HI,
    of: Deployment | None = None,
    *,
    stream: bool = False,
    tokens: int | None = None,
    **body: Any,
) -> dict[str, Any]:
    made = of or deployment()
    return ollama_request(Call(made, {"model": made.model, "messages": messages, **body}, stream, tokens))


def test_a_plain_request_says_whether_to_stream_and_that_nothing_may_be_cut() -> None:
    assert sent() == {"model": "qwen3:8b", "messages": HI, "stream": False, "truncate": False}
    assert sent(stream=True)["stream"] is True


@pytest.mark.parametrize("name", sorted(OPTIONS - {"num_predict", "stop"}))
def test_sampling_and_load_time_options_go_where_ollama_reads_them(name: str) -> None:
    made = sent(**{name: 3})
    assert (made["options"], name in made) == ({name: 3}, False)
    assert sent(options={name: 4})["options"] == {name: 4}
    assert sent(options={name: 4}, **{name: 3})["options"] == {name: 3}


def test_what_ollama_reads_at_the_top_stays_there() -> None:
    made = sent(keep_alive="30m", truncate=True, shift=False, logprobs=True, top_logprobs=3)
    assert "options" not in made
    assert (made["keep_alive"], made["truncate"], made["shift"]) == ("30m", True, False)
    assert (made["logprobs"], made["top_logprobs"]) == (True, 3)
    assert "shift" not in sent()


@pytest.mark.parametrize(("given", "expected"), [("-1", -1), ("300", 300), ("5m", "5m"), (-1, -1), (0, 0)])
def test_seconds_to_stay_loaded_are_a_number_also_where_the_file_has_a_text(given: Any, expected: Any) -> None:
    assert sent(keep_alive=given)["keep_alive"] == expected


def test_what_ollama_does_not_know_is_left_out() -> None:
    made = sent(user="me", metadata={}, store=True, n=2, logit_bias={"1": 1}, parallel_tool_calls=False, stream_options={})
    assert made.keys() == {"model", "messages", "stream", "truncate"}


def test_a_penalty_keeps_its_name() -> None:
    assert sent(frequency_penalty=0.0, presence_penalty=0.5)["options"] == {"frequency_penalty": 0.0, "presence_penalty": 0.5}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_tokens": 9}, 9),
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 9, "num_predict": 5}, 5),
        ({"max_tokens": 9, "options": {"num_predict": 5}}, 5),
        ({"max_tokens": 9, "num_predict": -1}, 9),
        ({"num_predict": -1}, -1),
    ],
)
def test_the_smallest_cap_counts(given: dict[str, Any], expected: int) -> None:
    assert sent(**given)["options"]["num_predict"] == expected


def test_one_stop_sequence_is_a_list_of_one() -> None:
    assert sent(stop="\n")["options"] == {"stop": ["\n"]}
    assert sent(stop=["a", "b"])["options"] == {"stop": ["a", "b"]}


@pytest.mark.parametrize("stop", ["", [], ["", ""]])
def test_an_empty_stop_sequence_ends_nothing(stop: object) -> None:
    assert sent(stop=stop)["options"] == {"stop": []}


@pytest.mark.parametrize(("source", "sends"), [("config", True), ("engine", True), ("assumed", False), ("catalogue", False)])
def test_the_window_is_the_one_that_was_decided_with_unless_it_is_a_guess(source: str, sends: bool) -> None:
    options = sent(of=deployment(window=8192, source=source)).get("options", {})
    assert options.get("num_ctx") == (8192 if sends else None)


def test_a_window_that_the_settings_name_goes_first() -> None:
    assert sent(of=deployment(window=8192), num_ctx=4096)["options"]["num_ctx"] == 4096


def test_an_answer_cannot_outgrow_the_window_whatever_its_cap() -> None:
    of = deployment(window=4096)
    assert sent(of=of, tokens=1000)["options"] == {"num_ctx": 4096, "num_predict": 3096}
    assert sent(of=of, tokens=1000, max_tokens=10)["options"]["num_predict"] == 10
    assert sent(of=of, tokens=1000, max_tokens=8192)["options"]["num_predict"] == 3096
    assert sent(of=of, tokens=1000, max_tokens=8192, num_ctx=8192)["options"] == {"num_ctx": 8192, "num_predict": 7192}
    assert sent(of=of, tokens=4000)["options"]["num_predict"] == 512
    assert sent(of=of, tokens=None)["options"] == {"num_ctx": 4096}
    assert "options" not in sent(of=deployment(window=4096, source="assumed"), tokens=1000)


def test_the_texts_of_a_message_are_one_and_its_images_are_bare() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "text", "text": "well"},
    ]
    made = sent([{"role": "developer", "content": "be kind"}, {"role": "user", "name": "me", "content": parts}])
    assert made["messages"] == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "look\nwell", "images": [PIXEL]},
    ]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}, "send the image itself"),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}, "sound or documents"),
        ({"type": "file", "file": {"file_data": "AA=="}}, "sound or documents"),
    ],
)
def test_what_ollama_has_no_place_for_is_a_clear_error_and_fetched_from_nowhere(part: dict[str, Any], words: str) -> None:
    with pytest.raises(ProviderCannot, match=words) as caught:
        sent([{"role": "user", "content": [part]}])
    assert "example.com" not in caught.value.message
    assert (caught.value.fail_over, caught.value.status) == (True, 400)


def test_calls_have_objects_for_arguments_and_results_have_the_tools_name() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}},
        {"id": "c2", "type": "function", "function": {"name": "get_time", "arguments": ""}},
        {"id": "c3", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
    ]
    history = [
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c9", "content": [{"type": "text", "text": "late"}]},
        {"role": "function", "name": "older", "content": "x"},
    ]
    said, first, second, third = sent(history)["messages"]
    assert said == {
        "role": "assistant",
        "content": "",
        "thinking": "hm",
        "tool_calls": [
            {"id": "c1", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}},
            {"id": "c2", "function": {"index": 1, "name": "get_time", "arguments": {}}},
            {"id": "c3", "function": {"index": 2, "name": "shell", "arguments": {"input": "ls"}}},
        ],
    }
    assert first == {"role": "tool", "content": "sunny", "tool_name": "get_weather", "tool_call_id": "c1"}
    assert second == {"role": "tool", "content": "late", "tool_call_id": "c9"}
    assert third == {"role": "tool", "content": "x", "tool_name": "older"}


def test_arguments_that_are_no_object_are_kept_in_one() -> None:
    older = [{"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{broken"}}]
    assert sent(older)["messages"][0]["tool_calls"][0]["function"]["arguments"] == {"input": "{broken"}


def test_tools_are_offered_unless_none_may_be_called_and_alone_where_one_must_be() -> None:
    assert sent(tools=[WEATHER, TIME])["tools"] == [WEATHER, TIME]
    assert sent(tools=[WEATHER, TIME], tool_choice="required")["tools"] == [WEATHER, TIME]
    assert "tools" not in sent(tools=[WEATHER], tool_choice="none")
    named = {"type": "function", "function": {"name": "get_time"}}
    assert sent(tools=[WEATHER, TIME], tool_choice=named)["tools"] == [TIME]
    assert sent(functions=[TIME["function"]])["tools"] == [TIME]
    assert sent(functions=[WEATHER["function"], TIME["function"]], function_call={"name": "get_time"})["tools"] == [TIME]
    with pytest.raises(ProviderCannot, match="custom"):
        sent(tools=[{"type": "custom", "custom": {"name": "shell"}}])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"response_format": {"type": "json_object"}}, "json"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            {"type": "object"},
        ),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, "json"),
        ({"response_format": {"type": "text"}, "format": "json"}, None),
        ({"format": "json"}, "json"),
        ({"format": {"type": "array"}}, {"type": "array"}),
        ({}, None),
    ],
)
def test_the_form_of_the_answer_is_ollamas_format(body: dict[str, Any], expected: Any) -> None:
    assert sent(**body).get("format") == expected


@pytest.mark.parametrize(
    ("body", "plain", "gpt_oss"),
    [
        ({"think": True}, True, True),
        ({"think": False}, False, "low"),
        ({"think": "high"}, True, "high"),
        ({"reasoning_effort": "none"}, False, "low"),
        ({"reasoning_effort": "minimal"}, True, "low"),
        ({"reasoning_effort": "xhigh"}, True, "high"),
        ({"think": False, "reasoning_effort": "high"}, False, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, True, True),
        ({"thinking": {"type": "disabled"}}, False, "low"),
        ({"thinking": False}, False, "low"),
        ({}, None, None),
        ({"max_tokens": THINKING_TOKENS}, None, None),
        ({"max_tokens": THINKING_TOKENS - 1}, False, "low"),
        ({"max_tokens": 16, "think": True}, True, True),
        ({"num_predict": -1}, None, None),
    ],
)
def test_thinking_is_what_is_asked_for_else_what_the_cap_has_room_for(body: dict[str, Any], plain: Any, gpt_oss: Any) -> None:
    assert sent(of=deployment(reasoning=True), **body).get("think") == plain
    assert sent(of=deployment(reasoning=True, model="gpt-oss:20b"), **body).get("think") == gpt_oss


@pytest.mark.parametrize("body", [{"think": True}, {"think": False}, {"reasoning_effort": "high"}, {"max_tokens": 16}])
def test_a_model_that_cannot_think_is_told_nothing_about_it(body: dict[str, Any]) -> None:
    assert "think" not in sent(of=deployment(reasoning=False), **body)


def test_of_a_model_that_nobody_knows_only_what_is_asked_for_is_sent() -> None:
    assert sent(think=True)["think"] is True
    assert sent(think=False)["think"] is False
    assert "think" not in sent(max_tokens=16)
