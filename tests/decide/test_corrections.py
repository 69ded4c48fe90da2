"""Corrections: what they move, what they must not move, and how little one caller can do."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.decide.correction import SKETCH_BYTES, Correction
from waypost.decide.corrections import LEAST, LOUDEST, Corrections, sketch_of_text, sketch_of_turn
from waypost.decide.features import FEATURES_VERSION
from waypost.decide.labels import TASKS
from waypost.decide.reading import read_turn
from waypost.decide.task_model import LinearTaskModel, load_task_model
from waypost.errors import InvalidRequest
from waypost.turn import EMPTY, Image, Message, Text, Turn

SURE = [0.0001, 0.0001, 0.9996, 0.0001, 0.00005, 0.00005]
EVEN = [1 / 6] * 6
LATER = 4e9
# What people may say instead.
PARAPHRASES = {
    "What's my home address?": [
        "what is my home address",
        "tell me my home address",
        "do you know my home address?",
        "my home address please",
        "where do I live?",
    ],
    "When is Maria's birthday?": [
        "when's maria's birthday",
        "what day is Maria's birthday?",
        "Maria's birthday is when?",
        "do you know when Maria's birthday is",
    ],
    "Turn on the kitchen light": [
        "turn the kitchen light on",
        "please turn on the kitchen light",
        "switch on the kitchen light",
        "kitchen light on",
        "could you turn on the kitchen lights?",
    ],
    "Write me a haiku about autumn": [
        "please write a haiku about autumn",
        "write a haiku on autumn",
        "can you write me a haiku about autumn?",
    ],
    "what did we decide about the fence last week": [
        "what was decided about the fence last week?",
        "what did we say about the fence",
        "last week, what did we decide about the fence?",
    ],
    "Plan a week of dinners under 50 euros": [
        "make a plan for a week of dinners under 50 euros",
        "plan one week of dinners for under 50 euro",
    ],
    "Wie war noch mal die Telefonnummer von Oma?": [
        "wie war die telefonnummer von oma",
        "wie ist die Telefonnummer von Oma?",
        "Telefonnummer von Oma?",
    ],
    "how long will the trip to my parents take if I leave at 5": [
        "how long is the trip to my parents if i leave at 5?",
        "if I leave at 5 how long will the trip to my parents take",
    ],
    "who is Ruth": ["who's ruth?", "tell me who Ruth is", "who is ruth again"],
}
UNRELATED = [
    "Who wrote Dune?",
    "add milk to the shopping list",
    "Explain how a heat pump works",
    "What is the capital of Australia?",
    "fix this error: list index out of range",
    "Wie wird morgen das Wetter in Hamburg?",
    "A bat and a ball cost 1.10 in total. How much is the ball?",
    "x",
    "🤖🔥🎉",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 60,
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness. " * 30,
]


@pytest.fixture(scope="module")
def model() -> LinearTaskModel:
    return load_task_model()


def correction(text: str, task: str = "memory", caller: str | None = None, *, at: int = 0, name: str = "") -> Correction:
    stamp = f"2026-01-01T00:00:00.{at:06d}Z"
    return Correction(name or f"wc_{task}_{caller}_{at}_{text}", task, sketch_of_text(text), caller, stamp, FEATURES_VERSION)


def asked(*said: str, image: bool = False, tool_choice: str | None = None) -> Turn:
    messages = [Message("assistant" if at % 2 else "user", (Text(text),)) for at, text in enumerate(said)]
    if image:
        messages[-1] = Message("user", (*messages[-1].parts, Image(inline=True)))
    return Turn(id="t", model="auto", messages=tuple(messages), body=EMPTY, tool_choice=tool_choice)


def moved(corrections: Corrections, text: str, before: Sequence[float] = EVEN) -> dict[str, float]:
    after, _ = corrections.adjust(sketch_of_text(text), before)
    return dict(zip(TASKS, after, strict=True))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("text", ["What's my home address?", "hi", "明日の予定は", "x = 1", *UNRELATED[-2:]])
def test_the_corrected_text_follows_at_once_however_sure_the_model_was(text: str, task: str) -> None:
    corrections = Corrections([correction(text, task)])
    for before in (SURE, SURE[::-1], EVEN, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]):
        after, spoke = corrections.adjust(sketch_of_text(text), before)
        assert after[TASKS.index(task)] >= 0.85
        assert spoke == (task,)


@pytest.mark.parametrize("repeat", ["what's my home address?", "  What\u2019s   my home address? ", "WHATS MY HOME ADDRESS?"])
def test_blanks_case_and_apostrophes_make_no_other_text(repeat: str) -> None:
    assert moved(Corrections([correction("What's my home address?")]), repeat, SURE)["memory"] > 0.85


def test_most_paraphrases_lean_to_the_correction_and_none_leans_away() -> None:
    pairs = [(text, said) for text, others in PARAPHRASES.items() for said in others]
    found = [moved(Corrections([correction(text)]), said)["memory"] for text, said in pairs]
    assert min(found) == 1 / 6
    assert len(found) == 30
    assert sum(p > 1 / 6 for p in found) >= 20


@pytest.mark.parametrize("other", UNRELATED, ids=range(len(UNRELATED)))
def test_an_unrelated_text_does_not_move_at_all(other: str) -> None:
    texts = [text for text in (*PARAPHRASES, *UNRELATED) if text != other]
    corrections = Corrections(correction(text, TASKS[at % 6], f"c{at}", at=at) for at, text in enumerate(texts))
    before = [0.3, 0.1, 0.2, 0.2, 0.1, 0.1]
    assert corrections.adjust(sketch_of_text(other), before) == (before, ())
    assert corrections.adjust(sketch_of_text(other), before)[0] is before


def test_an_unrelated_turn_gets_the_very_same_scores(model: LinearTaskModel) -> None:
    corrected = model.with_corrections(Corrections([correction(text) for text in PARAPHRASES]))
    for text in UNRELATED:
        assert corrected.predict(asked(text)) == model.predict(asked(text))


def test_a_similar_text_moves_less_than_the_same_one() -> None:
    corrections = Corrections([correction("Turn on the kitchen light", "coding")])
    said = ["turn on the kitchen light", "please turn on the kitchen light", "turn the kitchen light on", "who wrote Dune?"]
    found = [moved(corrections, text)["coding"] for text in said]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.99
    assert found[-1] == 1 / 6


def test_the_newest_word_of_a_caller_on_a_text_counts() -> None:
    said = [correction("hello there", "coding", at=1), correction("Hello there", "memory", at=2)]
    for order in (said, said[::-1]):
        corrections = Corrections(order)
        assert corrections.kept == (said[1],)
        assert corrections.surplus == (said[0],)
        assert moved(corrections, "hello there", SURE)["memory"] > 0.85


def test_callers_who_disagree_are_weighed() -> None:
    against = [correction("hello there", "coding", "a"), correction("hello there", "memory", "b")]
    found = moved(Corrections(against), "hello there")
    assert found["coding"] == pytest.approx(found["memory"])
    more = [*against, correction("hello there", "memory", "c")]
    assert moved(Corrections(more), "hello there")["memory"] > 0.9


def test_one_caller_is_one_voice_however_often_it_speaks() -> None:
    rooms = ("kitchen", "kitchens", "kitchen counter", "kitchen top")
    many = [correction(f"turn on the {room} light", "coding", "a", at=at) for at, room in enumerate(rooms)]
    assert len(Corrections(many)) == 4
    one_voice = moved(Corrections(many), "turn on the kitchen light")["coding"]
    assert one_voice == moved(Corrections(many[:1]), "turn on the kitchen light")["coding"]
    spoke = Corrections(many).adjust(sketch_of_text("turn on the kitchen lights"), EVEN)[1]
    assert spoke == ("coding",)


def test_all_callers_together_are_capped() -> None:
    crowd = Corrections(correction("hello there", "coding", f"c{n}") for n in range(50))
    one = moved(crowd, "hello there", SURE)
    assert one["coding"] / one["chat"] == pytest.approx(LEAST * math.exp(LOUDEST) / SURE[TASKS.index("chat")])


def test_one_similar_text_is_not_enough_for_an_action() -> None:
    text, near = "Turn on the kitchen light", "please turn on the kitchen light"
    alone = Corrections([correction(text, "tool_calling", "a")])
    assert alone.adjust(sketch_of_text(near), EVEN) == (EVEN, ())
    assert moved(alone, text, SURE)["tool_calling"] > 0.85
    for second in (correction(text, "tool_calling", "b"), correction("turn the kitchen light on", "tool_calling", "a")):
        assert moved(Corrections([*alone.kept, second]), near)["tool_calling"] > 1 / 6
    other_task = Corrections([*alone.kept, correction("turn the kitchen light on", "coding", "b")])
    assert other_task.adjust(sketch_of_text(near), EVEN)[1] == ("coding",)


def test_the_caps_hold_and_the_oldest_leave() -> None:
    words = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "spruce"]
    texts = [" ".join(pair) for pair in itertools.permutations(words, 2)][:60]
    said = [correction(text, "coding", f"c{at % 3}", at=at) for at, text in enumerate(texts)]
    random.Random(1).shuffle(said)
    corrections = Corrections(said, per_caller=7, most=10)
    assert len(corrections) == 10
    assert [one.created_at for one in corrections.kept] == sorted(one.created_at for one in said)[-10:]
    assert {*corrections.kept, *corrections.surplus} == {*said}
    alone = Corrections([replace(one, caller=None) for one in said], per_caller=7)
    assert [one.created_at for one in alone.kept] == sorted(one.created_at for one in said)[-7:]


@pytest.mark.parametrize(
    "unfit",
    [
        replace(correction("hello there"), features="0"),
        replace(correction("hello there"), sketch=b""),
        replace(correction("hello there"), sketch=bytes(SKETCH_BYTES)),
        replace(correction("hello there"), task="dancing"),
    ],
    ids=["other features", "short", "no words", "no task"],
)
def test_what_cannot_be_compared_says_nothing_and_is_not_thrown_away(unfit: Correction) -> None:
    corrections = Corrections([unfit])
    assert (corrections.kept, corrections.surplus) == ((), ())
    assert corrections.adjust(sketch_of_text("hello there"), EVEN) == (EVEN, ())


@st.composite
def many(draw: st.DrawFn) -> list[Correction]:
    words = st.sampled_from(["turn", "on", "off", "the", "light", "please", "what", "is", "my", "name", "who", "wrote", "dune"])
    texts = st.lists(words, min_size=1, max_size=4).map(" ".join)
    drawn = draw(st.lists(st.tuples(texts, st.sampled_from(TASKS), st.sampled_from([None, "a", "b"])), max_size=12))
    return [correction(text, task, caller, at=at, name=f"wc_{at}") for at, (text, task, caller) in enumerate(drawn)]


@given(
    many(),
    st.lists(st.floats(0, 1), min_size=6, max_size=6).filter(lambda p: sum(p) > 0.01),
    st.randoms(),
    st.text(max_size=30),
)
@settings(deadline=None)
def test_probabilities_stay_some_and_no_order_matters(
    said: list[Correction], raw: list[float], chance: random.Random, text: str
) -> None:
    before = [p / sum(raw) for p in raw]
    corrections = Corrections(said, per_caller=3, most=6)
    chance.shuffle(said)
    again = Corrections(said, per_caller=3, most=6)
    assert (again.kept, again.version) == (corrections.kept, corrections.version)
    assert len(corrections) <= 6
    assert all([one.caller for one in corrections.kept].count(caller) <= 3 for caller in (None, "a", "b"))
    for asked_for in (text, "turn on the light please", "what is my name"):
        sketch = sketch_of_text(asked_for)
        after, spoke = corrections.adjust(sketch, before)
        assert (after, spoke) == again.adjust(sketch, before)
        assert sum(after) == pytest.approx(1.0)
        assert all(0 <= p <= 1 for p in after)
        assert len(spoke) <= 3
        assert spoke or after is before


@given(st.text(st.characters(codec=None), max_size=300))
@settings(deadline=None)
def test_any_text_has_a_sketch_that_is_itself_again_or_none(text: str) -> None:
    sketch = sketch_of_text(text)
    assert sketch == sketch_of_text(text)
    assert len(sketch) in (0, SKETCH_BYTES)
    assert not sketch or any(sketch)


@pytest.mark.parametrize("text", ["!!!", "👍", "12", "१२", "?"])
def test_a_text_without_a_letter_has_no_sketch(text: str) -> None:
    assert sketch_of_text(text) == b""
    assert sketch_of_text(f"{text} 光") != b""


@pytest.mark.parametrize("empty", ["", "  \n ", "\0"])
def test_a_text_without_words_is_never_corrected(empty: str, model: LinearTaskModel) -> None:
    assert sketch_of_text(empty) == b""
    corrected = model.with_corrections(Corrections([correction("hello there")]))
    assert corrected.predict(asked(empty)) == model.predict(asked(empty))
    assert corrected.predict(asked(empty)).grounds.sketch == b""


def test_a_reply_is_known_together_with_the_question_it_answers() -> None:
    yes, to_another = (
        sketch_of_turn(read_turn(asked("hi", q, "yes please"))) for q in ("Shall I order it?", "Do you like the sea?")
    )
    corrections = Corrections([replace(correction("yes please", "coding"), sketch=yes)])
    assert corrections.adjust(yes, EVEN)[1] == ("coding",)
    assert corrections.adjust(to_another, EVEN) == (EVEN, ())


def test_the_model_follows_a_correction_and_says_so(model: LinearTaskModel) -> None:
    text = "Who wrote Dune?"
    corrections = Corrections([correction(text, "memory")])
    corrected = model.with_corrections(corrections)
    scores = corrected.predict(asked(text))
    assert model.predict(asked(text)).task != "memory"
    assert scores.task == "memory"
    assert scores.evidence[0] == "a correction of yours speaks for memory"
    assert scores.label in ("recall", "conversation_recall", "teach", "document_question")
    assert sum(scores.labels.values()) == pytest.approx(1.0)
    assert sum(scores.probabilities.values()) == pytest.approx(1.0)
    assert corrected.version == f"{model.version}+{corrections.version}"
    assert model.with_corrections(Corrections()).version == model.version
    assert corrected.with_corrections(Corrections()).predict(asked(text)) == model.predict(asked(text))


def test_a_corrected_command_is_none_any_more(model: LinearTaskModel) -> None:
    text = "Turn on the kitchen light"
    assert model.predict(asked(text)).act == "command"
    scores = model.with_corrections(Corrections([correction(text, "chat")])).predict(asked(text))
    assert scores.task == "chat"
    assert scores.act != "command"


@pytest.mark.parametrize("fact", [{"image": True}, {"tool_choice": "required"}])
def test_what_a_fact_decided_stays(fact: dict[str, object], model: LinearTaskModel) -> None:
    text = "Who wrote Dune?"
    corrected = model.with_corrections(Corrections([correction(text, "coding")]))
    turn = asked(text, **fact)  # type: ignore[arg-type]
    assert corrected.predict(turn) == model.predict(turn)
    assert corrected.predict(turn).evidence == model.predict(turn).evidence
    assert corrected.predict(turn).grounds.sketch == b""


def test_clients_own_background_work_stays(model: LinearTaskModel) -> None:
    text = (
        "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Chat History:\nUser: hi"
    )
    turn = asked(text)
    assert read_turn(turn).background
    assert model.with_corrections(Corrections([correction(text, "coding")])).predict(turn) == model.predict(turn)


def test_a_correction_is_exported_and_read_again() -> None:
    made = correction("hello there", "coding", "anna")
    assert Correction.from_dict(made.to_dict(), now=LATER) == made
    assert "hello" not in str(made.to_dict()["sketch"]) + repr(made.sketch)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000000Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05.000000Z"),
        ("9999-12-31T23:59:59-14:00", "2096-10-02T07:06:40.000000Z"),
        ("0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00.000000Z"),
    ],
)
def test_a_time_is_kept_in_utc_so_that_it_sorts_and_is_never_in_the_future(given: str, kept: str) -> None:
    assert Correction.from_dict({**correction("hi").to_dict(), "created_at": given}, now=LATER).created_at == kept


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "dancing"}, "tool_calling, vision, chat, memory, reasoning, coding"),
        ({"sketch": "AAAA"}, "512 bytes"),
        ({"sketch": "no base 64"}, "512 bytes"),
        ({"id": 5}, "must be a text"),
        ({"created_at": "hello"}, "created_at must be a time"),
        ({"created_at": ""}, "created_at must be a time"),
        ({"more": 1}, "exactly the keys"),
    ],
)
def test_what_is_no_correction_says_what_is_wrong(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        Correction.from_dict({**correction("hi").to_dict(), **change}, now=LATER)


def test_a_word_of_difference_in_a_short_text_is_another_text() -> None:
    assert len(Corrections([correction("turn on the light", at=1), correction("turn off the light", at=2)])) == 2
