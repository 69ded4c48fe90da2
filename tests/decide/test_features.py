"""Reading a text: the same everywhere, of bounded size, blind to what does not matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.decide.features import MAX_CHARS, excerpt, read
from waypost.kernel.plain import MOST_CODES, MOST_ROWS, ROW_BITS, distinct

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)


def words(text: str) -> list[str]:
    reading = read(text)
    return [reading.word(i) for i in range(reading.starts.size)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What's my Café bill?", ["whats", "my", "cafe", "bill", "?"]),
        ("Call +49 170", ["call", "+", "00", "000"]),
        ("住所は", ["住", "所", "は"]),
        ("불 켜 줘", ["불", "켜", "줘"]),
        ("  \n\t\0 ", []),
        ("", []),
    ],
)
def test_words_are_folded_and_split(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TURN ON THE LIGHT", "turn on  the\nlight"),
        ("wie spät ist es", "wie spat ist es"),
        ("don't do it", "dont do it"),
        ("don\u2019t do it", "dont do it"),
        ("cafe\u0301", "café"),
        ("at 7:45", "at 9:12"),
        ("\uff41\uff42\uff43", "abc"),
        ("tu\u00adrn\u200b on\ufeff", "turn on"),
    ],
)
def test_spellings_that_mean_the_same_read_the_same(one: str, other: str) -> None:
    assert np.array_equal(read(one).rows, read(other).rows)


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_can_be_read_and_every_row_is_inside_the_table(text: str) -> None:
    reading = read(text)
    assert np.array_equal(reading.rows, read(text).rows)
    assert not reading.rows.size or (reading.rows.min() >= 0 and reading.rows.max() < 1 << ROW_BITS)
    assert 0 <= reading.chars <= reading.rows.size
    assert reading.words.size == reading.starts.size


@settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_a_word_has_the_same_row_wherever_it_stands(before: str, after: str) -> None:
    alone = read("lamp").words[0]
    reading = read(f"{before} lamp {after}")
    assert alone in reading.words[[reading.word(i) == "lamp" for i in range(reading.starts.size)]]


@pytest.mark.parametrize("text", ["a" * 1_000_000, "\0" * 1_000_000, "\ud800" * 100_000, "no. " * 300_000, "\ufdfa" * 100_000])
def test_the_work_does_not_grow_with_the_text(text: str) -> None:
    reading = read(text)
    assert len(excerpt(text)) <= MAX_CHARS
    assert reading.codes.size <= MAX_CHARS + 2 <= MOST_CODES
    assert reading.chars <= 2 * (MAX_CHARS + 2)
    assert reading.rows.size - reading.chars <= 3 * (MAX_CHARS + 2) + 1


def test_a_letter_that_grows_when_it_is_lowered_is_still_read() -> None:
    # Lowering doubles this letter: no text may outgrow what is counted for.
    assert read("\u0130" * 10_000).starts.size


def test_head_and_tail_of_a_long_text_are_read() -> None:
    found = words("beginning " + "filler " * 50_000 + "ending")
    assert found[0] == "beginning"
    assert found[-1] == "ending"


def test_hashes_are_the_same_in_a_process_with_another_hash_seed() -> None:
    code = (
        "import json; from waypost.decide.features import read; print(json.dumps(read('Wake me at six, 明日').rows.tolist()))"
    )
    answers = [
        json.loads(subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}))
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1] == read("Wake me at six, 明日").rows.tolist()


def test_a_hash_never_changes_without_a_new_features_version() -> None:
    # Weights are trained for these rows; whoever changes them raises FEATURES_VERSION, trains again and writes them here.
    assert read("ab c").rows.tolist() == [
        62882,
        146254,
        33591,
        223230,
        206758,
        128865,
        149752,
        72517,
        182513,
        203816,
        86538,
        232003,
        175990,
    ]


@settings(deadline=None)
@given(ANY_TEXT)
def test_distinct_rows_are_those_of_the_set(text: str) -> None:
    reading = read(text)
    rows, chars = distinct(reading.rows, reading.chars)
    assert sorted(rows.tolist()) == sorted(set(reading.rows.tolist()))
    assert set(rows[:chars].tolist()) <= set(reading.rows[: reading.chars].tolist())


@pytest.mark.parametrize("text", ["a b " * 5_000, "\u4f60" * 5_000, ". " * 5_000, "abcdefgh" * 5_000])
def test_the_longest_text_has_a_place_for_every_row(text: str) -> None:
    reading = read(text)
    assert reading.rows.size <= MOST_ROWS
    assert distinct(reading.rows, reading.chars)[0].size
