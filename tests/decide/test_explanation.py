"""An explanation is what the answer would have been without each word, fact and text."""

from __future__ import annotations

from waypost.decide.explanation import MOST_WORDS, explain
from waypost.decide.labels import TASKS
from waypost.decide.reading import TurnReading, read_turn
from waypost.turn import EMPTY, Message, Text, Tool, Turn


def asked(*messages: Message, **fields: object) -> TurnReading:
    return read_turn(Turn("t", "auto", messages, EMPTY, **fields))  # type: ignore[arg-type]


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def counting(word: str) -> object:
    """Says coding, the surer the more often ``word`` is in the request; memory otherwise."""

    def probabilities(seen: TurnReading) -> list[float]:
        request = seen.request
        times = [request.word(i) for i in range(request.starts.size)].count(word)
        sure = (1 + times) / (2 + times)
        return [{"coding": sure, "memory": 1 - sure}.get(task, 0.0) for task in TASKS]

    return probabilities


def test_the_word_that_counts_is_named_first_and_the_others_did_nothing() -> None:
    found = explain(asked(user("please run this")), counting("run"))  # type: ignore[arg-type]
    assert (found.best, found.rival) == ("coding", "memory")
    assert (found.influences[0].kind, found.influences[0].what) == ("word", "run")
    assert found.influences[0].log_odds > 0
    assert all(one.log_odds == 0 for one in found.influences[1:])


def test_facts_and_other_texts_are_left_out_too() -> None:
    seen = asked(Message("assistant", (Text("Shall I run it?"),)), user("yes 1"), tools=(Tool("run"),))
    kinds = [(one.kind, one.what) for one in explain(seen, counting("x")).influences]  # type: ignore[arg-type]
    assert ("fact", "tools are offered") in kinds
    assert ("fact", "it answers the assistant's question") in kinds
    assert ("text", "the assistant's open question") in kinds


def test_a_long_text_is_explained_by_its_first_words() -> None:
    found = explain(asked(user("word " * 500)), counting("word"))  # type: ignore[arg-type]
    assert sum(one.kind == "word" for one in found.influences) == MOST_WORDS
