"""The background: what is picked out of our own prompts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from waypost.learn.background import ENGLISH, OTHERS, background_prompts, write_background
from waypost.learn.datasets import Row


def rows(lang: str, count: int, fine: str = "smalltalk") -> list[Row]:
    return [Row(f"{lang} {fine} {n}", "chat", ("chat",), lang=lang, fine=fine, pair=f"{lang}-{fine}:{n}") for n in range(count)]


def test_each_prompt_is_taken_once_and_each_language_gets_its_share() -> None:
    fills = [Row(f"fill {n}", "chat", ("chat",), lang="en", pair="en:1") for n in range(6)]
    picked = background_prompts([*fills, *rows("en", 1000), *rows("sw", 100)])
    assert Counter(text.split()[0] for text in picked if not text.startswith("fill")) in (
        Counter(en=ENGLISH, sw=OTHERS),
        Counter(en=ENGLISH - 1, sw=OTHERS),
    )
    assert sum(text.startswith("fill") for text in picked) <= 1


def test_what_is_asked_often_is_there_more_often_and_no_label_is_missing() -> None:
    given = [*rows("sw", 90, "smalltalk"), *rows("sw", 90, "question_answering"), *rows("sw", 90, "poems")]
    counts = Counter(text.split()[1] for text in background_prompts(given))
    assert counts["question_answering"] > counts["smalltalk"] > 0
    assert counts["poems"] > 0


def test_replies_and_texts_of_several_lines_are_left_out() -> None:
    odd = [
        Row("yes please", "chat", ("chat",), lang="en", pair="en:1", question="Shall I?"),
        Row("one\ntwo", "chat", ("chat",), lang="en", pair="en:2"),
        Row("one\u2028two", "chat", ("chat",), lang="en", pair="en:3"),
        Row("x" * 401, "chat", ("chat",), lang="en", pair="en:4"),
    ]
    assert background_prompts([*odd, *rows("en", 1)]) == ["en smalltalk 0"]


def test_the_same_seed_writes_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    write_background(tmp_path, 1)
    write_background(tmp_path / "again", 1)
    written = (tmp_path / "background.txt").read_bytes()
    assert written == (tmp_path / "again" / "background.txt").read_bytes()
    assert len(written) < 1_000_000
