"""The shipped task model: what it must get right, and what it must never do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import waypost
from waypost.decide.task import TASKS
from waypost.decide.task_model import LinearTaskModel, load_task_model
from waypost.errors import ArtefactError
from waypost.learn.datasets import load_rows, turn_of
from waypost.learn.task_judging import judge
from waypost.turn import EMPTY, Image, Message, Text, Tool, Turn

ARTEFACTS = Path(waypost.__file__).parent / "artefacts"
HUNDRED = Path(__file__).parents[1] / "data" / "prompts_100.jsonl"
# What the shipped weights reach on the hundred prompts, less one point: a ratchet, only ever raised.
LEAST_ACCURACY = 0.86
MOST_FALSE_ACTIONS = 0.0


@pytest.fixture(scope="module")
def model() -> LinearTaskModel:
    return load_task_model()


def asked(*texts: str, image: bool = False, tools: tuple[Tool, ...] = ()) -> Turn:
    messages = [Message("user", (Text(text),)) for text in texts]
    if image:
        messages[-1] = Message("user", (*messages[-1].parts, Image(inline=True)))
    return Turn(id="t", model="auto", messages=tuple(messages), body=EMPTY, tools=tools)


def test_the_hundred_prompts_do_not_get_worse(model: LinearTaskModel) -> None:
    rows = load_rows(HUNDRED)
    said = [model.predict(turn_of(row)).task for row in rows]
    scores = judge(said, [{"task": row.task, "accept": row.accept} for row in rows])
    assert scores["n"] == 100
    assert scores["accuracy"] >= LEAST_ACCURACY
    assert scores["false_action_rate"] <= MOST_FALSE_ACTIONS


@pytest.mark.parametrize("text", ["What's my home address?", "what did I tell you about my sister", "My mother's name is Ruth"])
def test_a_question_about_oneself_is_memory_and_no_action(model: LinearTaskModel, text: str) -> None:
    assert model.predict(asked(text)).task == "memory"


@pytest.mark.parametrize("text", ["Who is the president of France?", "Who wrote Dune?", "What did Galileo discover?"])
def test_world_knowledge_is_not_memory(model: LinearTaskModel, text: str) -> None:
    assert model.predict(asked(text)).task not in ("memory", "tool_calling")


@pytest.mark.parametrize("text", ["", "hello", "turn on the light", "solve x + 2 = 5", "print('hello')"])
def test_an_image_in_the_last_message_decides_for_vision(model: LinearTaskModel, text: str) -> None:
    scores = model.predict(asked(text, image=True))
    assert scores.task == "vision"
    assert scores.evidence == ("an image is in the last message",)


def test_without_an_image_a_picture_word_does_not_force_vision(model: LinearTaskModel) -> None:
    assert model.predict(asked("Picture this: a penguin walks into a bar")).task != "vision"


@pytest.mark.parametrize("text", ["Hey, how are you?", "Tell me a joke", "Who wrote Dune?", "thanks, that was kind of you"])
def test_offered_tools_do_not_make_small_talk_an_action(model: LinearTaskModel, text: str) -> None:
    tools = tuple(Tool(name) for name in ("turn_on", "turn_off", "add_to_list", "get_weather"))
    assert model.predict(asked(text, tools=tools)).task != "tool_calling"


@pytest.mark.parametrize(
    "text", ["Turn on the kitchen light", "Mach das Licht in der Küche aus", "accendi la luce in cucina", "帮我关掉客厅的灯"]
)
def test_a_plain_command_is_an_action_in_several_languages(model: LinearTaskModel, text: str) -> None:
    assert model.predict(asked(text)).task == "tool_calling"


@pytest.mark.parametrize(
    "text", ["hi", "Hi!", "hey", "hi there", "Hello!", "Hello there!", "good evening", "Hallo!", "¡Hola!", "你好"]
)
def test_a_greeting_is_small_talk_and_no_action(model: LinearTaskModel, text: str) -> None:
    assert model.predict(asked(text)).task == "chat"


@pytest.mark.parametrize(
    "text",
    ["", "   ", "\0\0\0", "\ud800\udc00\ud800", "🤖🔥🎉", "....", "a" * 1_000_000, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0" * 50],
    ids=["empty", "blank", "nul", "surrogates", "emoji", "dots", "one letter", "base64"],
)
def test_what_says_nothing_is_never_an_action(model: LinearTaskModel, text: str) -> None:
    assert model.predict(asked(text)).task != "tool_calling"


def test_an_empty_turn_abstains(model: LinearTaskModel) -> None:
    nothing = Turn(id="t", model="auto", messages=(), body=EMPTY)
    for turn in (nothing, asked(""), asked(" \n")):
        scores = model.predict(turn)
        assert scores.task is None
        assert scores.language is None


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec=None), max_size=200), max_size=4), st.booleans())
def test_any_text_gets_probabilities_and_the_same_ones_again(model: LinearTaskModel, texts: list[str], image: bool) -> None:
    turn = asked(*texts, image=image and bool(texts))
    scores = model.predict(turn)
    assert tuple(scores.probabilities) == TASKS
    assert sum(scores.probabilities.values()) == pytest.approx(1.0)
    assert all(0 <= p <= 1 for p in scores.probabilities.values())
    assert scores.task in (None, *TASKS)
    assert model.predict(turn) == scores


def test_earlier_user_turns_count_less_than_the_last(model: LinearTaskModel) -> None:
    alone = model.predict(asked("and in the hallway too")).probabilities["tool_calling"]
    after = model.predict(asked("turn on the kitchen light", "and in the hallway too")).probabilities["tool_calling"]
    turned = model.predict(asked("turn on the kitchen light", "thanks, that was kind of you"))
    assert after > alone
    assert turned.task != "tool_calling"


def test_evidence_names_single_common_words_only(model: LinearTaskModel) -> None:
    secret = "hunter2 Xylophagous-Margravine"
    scores = model.predict(asked(f"Turn on the kitchen light, the password is {secret} and remind me {secret}"))
    assert 1 <= len(scores.evidence) <= 4
    assert any(sentence.endswith("speaks for tool_calling") for sentence in scores.evidence)
    assert not any(part in " ".join(scores.evidence) for part in ("hunter", "xylophagous", "margravine"))
    assert all(len(sentence) < 64 for sentence in scores.evidence)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of Norway and how many people live there?", "en"),
        ("Wie wird das Wetter morgen in Berlin?", "de"),
        ("明日の天気はどうですか", "ja"),
        ("今天天气怎么样", "zh"),
        ("내일 날씨 어때?", "ko"),
        ("Ποια είναι η πρωτεύουσα;", "el"),
        ("מה שלומך היום", "he"),
        ("สวัสดีครับ", "th"),
        ("12 + 30", None),
    ],
)
def test_the_language_is_told_or_left_open(model: LinearTaskModel, text: str, language: str | None) -> None:
    assert model.predict(asked(text)).language == language


def test_another_process_gives_the_same_answer(model: LinearTaskModel) -> None:
    code = (
        "import json; from waypost.decide.task_model import load_task_model; from waypost.turn import *;"
        "turn = Turn('t', 'auto', (Message('user', (Text('Wake me at six, please'),)),), EMPTY);"
        "print(json.dumps(load_task_model().predict(turn).to_dict()))"
    )
    here = json.loads(json.dumps(model.predict(asked("Wake me at six, please")).to_dict()))
    for seed in ("1", "2"):
        there = subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed})
        assert json.loads(there) == here


def test_the_version_names_features_and_weights(model: LinearTaskModel) -> None:
    card = json.loads((ARTEFACTS / "task-model.json").read_bytes())
    assert model.version == f"task-{card['features_version']}-{card['sha256'][:12]}"


def test_the_shipped_artefact_is_small() -> None:
    assert (ARTEFACTS / "task-model.npz").stat().st_size < 4_000_000


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in ("task-model.npz", "task-model.json"):
        shutil.copy(ARTEFACTS / name, tmp_path)
    return tmp_path


def change_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "task-model.json").read_bytes())
    (folder / "task-model.json").write_text(json.dumps(card | changes))


def test_a_copied_artefact_loads(copied: Path, model: LinearTaskModel) -> None:
    assert load_task_model(copied).version == model.version


@pytest.mark.parametrize("name", ["task-model.npz", "task-model.json"])
def test_a_missing_file_says_how_to_get_it(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ArtefactError, match="waypost train task") as caught:
        load_task_model(copied)
    assert str(copied) not in caught.value.message


def test_changed_weights_are_refused(copied: Path) -> None:
    data = bytearray((copied / "task-model.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (copied / "task-model.npz").write_bytes(data)
    with pytest.raises(ArtefactError, match="does not match its card"):
        load_task_model(copied)


def test_weights_for_other_features_are_refused(copied: Path) -> None:
    change_card(copied, features_version="0")
    with pytest.raises(ArtefactError, match="for features 0"):
        load_task_model(copied)


@pytest.mark.parametrize("card", ["{", "[]", "null"])
def test_a_damaged_card_is_refused(copied: Path, card: str) -> None:
    (copied / "task-model.json").write_text(card)
    with pytest.raises(ArtefactError):
        load_task_model(copied)


def test_weights_that_are_no_archive_are_refused_even_with_a_fitting_hash(copied: Path) -> None:
    import hashlib

    (copied / "task-model.npz").write_bytes(b"not an archive")
    change_card(copied, sha256=hashlib.sha256(b"not an archive").hexdigest())
    with pytest.raises(ArtefactError, match="damaged"):
        load_task_model(copied)
