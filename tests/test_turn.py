from __future__ import annotations

import time

import pytest

from waypost.turn import EMPTY, Audio, File, Image, Message, Refusal, Text, Tool, ToolCall, Turn, share_of

SECRET = "what only the caller may know"


def turn(*messages: Message, tools: tuple[Tool, ...] = (), tool_choice: str | None = None) -> Turn:
    return Turn("t1", "auto", messages, EMPTY, tools=tools, tool_choice=tool_choice)


def test_a_messages_text_is_its_text_parts_by_line() -> None:
    assert Message("user", (Text("a"), Image(inline=True), Text("b"), Refusal("no"))).text == "a\nb"
    assert Message("assistant").text == ""


def test_user_texts_come_oldest_first() -> None:
    said = turn(Message("system", (Text("s"),)), Message("user", (Text("1"),)), Message("user", (Text("2"),)))
    assert said.user_texts == ("1", "2")


def test_an_image_counts_wherever_it_is_in_the_context() -> None:
    seen = turn(
        Message("user", (Image(inline=False),)), Message("assistant", (Text("a cat"),)), Message("user", (Text("sure?"),))
    )
    assert (seen.has_image, seen.has_audio, seen.has_file) == (True, False, False)
    assert turn(Message("user", (Audio("wav"),))).has_audio
    assert turn(Message("user", (File(None),))).has_file


def test_an_image_is_asked_about_while_the_last_user_message_holds_it() -> None:
    look, answer = Message("user", (Text("look"), Image(inline=True))), Message("assistant", (Text("a cat"),))
    assert turn(look).asks_about_image
    assert turn(look, answer).asks_about_image
    assert not turn(look, answer, Message("user", (Text("sure?"),))).asks_about_image
    assert not turn(answer).asks_about_image


def test_tools_are_needed_when_offered_or_when_the_history_used_them() -> None:
    hello = Message("user", (Text("hello"),))
    called = Message("assistant", tool_calls=(ToolCall("c1", "f", "{}"),))
    assert not turn(hello).needs_tools
    assert turn(hello, tools=(Tool("f"),)).needs_tools
    assert not turn(hello, tools=(Tool("f"),), tool_choice="none").needs_tools
    assert turn(hello, called, tool_choice="none").needs_tools


@pytest.mark.parametrize(("last", "still_open"), [("tool", True), ("function", True), ("user", False), ("assistant", False)])
def test_a_tool_loop_is_open_while_the_last_word_is_a_tools(last: str, still_open: bool) -> None:
    assert turn(Message("user"), Message(last)).tool_loop_open is still_open  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "share"),
    [("0", 0.0), ("1", 1.0), (".5", 0.5), ("0.11593", 0.11593), ("1e-3", 0.001), ("1.000", 1.0), ("1.01", None), ("-0", None)]
    + [
        (text, None)
        for text in ("", ".", "1.", "nan", "inf", "1e309", "0,3", "+0.3", " 0.3", "1_0", "0x1", "\u0660.\u0663", "0.3@0.4")
    ],
)
def test_a_share_is_a_plain_number_from_0_to_1(text: str, share: float | None) -> None:
    assert share_of(text) == share


@pytest.mark.parametrize(("begin", "end"), [("", "x"), ("0.", ""), ("1e-", ""), ("1", "@")])
def test_whoever_sends_a_number_without_end_makes_nobody_wait(begin: str, end: str) -> None:
    started = time.process_time()
    assert share_of(f"{begin}{'1' * 3_000_000}{end}") is None
    assert time.process_time() - started < 1


def test_a_turn_shows_no_prompt() -> None:
    made = Turn(
        "t1",
        "auto",
        (
            Message("user", (Text(SECRET), File(SECRET))),
            Message("assistant", (Refusal(SECRET),), tool_calls=(ToolCall("c1", "f", SECRET),)),
        ),
        {"messages": SECRET},
        tools=(Tool("f", SECRET, {"x": SECRET}),),
    )
    assert SECRET not in repr(made)
