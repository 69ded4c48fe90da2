"""The last word of an answer, in the forms that models give it; and what must not pass."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.probing.final_answer import final_choice, final_number, final_text, number_of, plain, spoken

FORTY_TWO = [
    "42",
    "42.",
    "Answer: 42",
    "Answer: 42.",
    "answer:42",
    "**Answer:** 42",
    "**Answer: 42**",
    "**Answer**: **42**",
    "### Answer\n\n**42**",
    "Answer:\n\n42",
    "Answer: (42)",
    "Answer: 42 apples",
    "Answer: $42",
    "Answer: 42 %",
    "Answer: 42.0",
    "Answer: 42,00",
    "Answer: 6 × 7 = 42",
    "Answer: 42 (which is 6 × 7)",
    "Answer: 42. This is so as 6 times 7 is 42.",
    "The answer is 42.",
    "The final answer is: 42",
    "Final Answer: The final answer is $\\boxed{42}$. I hope it is correct.",
    "\\boxed{42}",
    "So we have $\\boxed{42}$ apples.",
    "\\[ \\boxed{\\text{42}} \\]",
    "\\boxed{42 \\text{ apples}}",
    "6*7 = 42",
    "First there were 3, then 7.\n\nShe has 42 apples left.",
    "<think>41? No. Answer: 41.</think>\n\nAnswer: 42",
    "I think aloud: 41 perhaps.\n</think>\nAnswer: 42",
    '{"answer": 42}',
    "```\nAnswer: 42\n```",
    "Answer: `42`",
    "Antwort: 42",
    "Die Antwort ist 42.",
    "Respuesta: 42",
    "La réponse est 42.",
    "Risposta: 42",
    "Ответ: 42",
    "答案：42",
    "答えは 42",
    "Answer: ٤٢",
    "Answer: ４２",
    "The answer is 41? Let me see. The answer is 42",
]


@pytest.mark.parametrize("text", FORTY_TWO)
def test_a_number_is_found_in_the_forms_that_models_use(text: str) -> None:
    assert final_number(text) == 42


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Answer:",
        "Answer: forty-two",
        "Answer: 41 or 42",
        "Answer: between 41 and 42",
        "Answer: not 42",
        "The answer is not 42.",
        "Answer: 42. Wait, actually it is 43.",
        "Answer: 42\n\nNo, that is wrong: 43",
        "Answer: 42:10",
        "Answer: 4 2 3",
        "Answer: 42 km 500 m",
        "<think>Answer: 42",
        "The numbers 42 and 43 come to mind",
        "It may be 42.\nI cannot say.",
        "Answer: 10^42",
        "Answer: 142",
        "Answer: 4.2",
        "Answer: -42",
        "Answer: " + "9" * 10_000,
        "Answer: 42e999999999",
    ],
)
def test_what_is_wrong_or_unclear_is_not_taken_for_the_number(text: str) -> None:
    assert final_number(text) != 42


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Answer: 1,234.50", "1234.5"),
        ("Answer: 1.234,50 €", "1234.5"),
        ("Answer: 12 345", "12345"),
        ("Answer: 1,779,899", "1779899"),
        ("Answer: −5", "-5"),
        ("Answer: -5", "-5"),
        ("Answer: .5", "1/2"),
        ("Answer: 3/4", "3/4"),
        ("Answer: \\frac{11}{36}", "11/36"),
        ("Answer: $\\dfrac{11}{36}$", "11/36"),
        ("Answer: \\boxed{\\frac{11}{36}}", "11/36"),
        ("Answer: 11/36 (about 0.306)", "11/36"),
        ("Answer: 1e3", "1000"),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, number: str) -> None:
    assert final_number(text) == Fraction(number)


@pytest.mark.parametrize("text", ["", "x", "1/0", "1/2/3", "--1", "inf", "nan", "1e999999999", "9" * 41])
def test_what_is_no_number_is_none(text: str) -> None:
    assert number_of(text) is None


LETTER_B = [
    "B",
    "b",
    "(B)",
    "B)",
    "B.",
    "**B**",
    "**B.** Paris",
    "B. Paris",
    "B: Paris",
    "B\n\nBecause Paris is where the king was.",
    "Answer: B",
    "Answer: b",
    "**Answer:** B",
    "**Answer: B**",
    "Answer: **B**",
    "Answer: (B) Paris",
    "Answer: B - Paris",
    "Answer: B, because it is a river.",
    "Answer: B because A is a lake",
    'Answer: "B"',
    "Answer: [B]",
    "Answer: `B`",
    "Answer:\nB) Paris",
    "The answer is: B.",
    "The correct answer is (B) because A is not.",
    "The correct option is B.",
    "\\boxed{B}",
    "$\\boxed{\\text{B}}$",
    '{"answer": "B"}',
    "<think>A? No.</think>B",
    "A and C are wrong.\n\nAnswer: B",
    "Option A is out. Answer: A? Hm. Answer: B",
    "Antwort: B",
    "答案：B",
    "答案是 B",
]


@pytest.mark.parametrize("text", LETTER_B)
def test_a_choice_is_found_in_the_forms_that_models_use(text: str) -> None:
    assert final_choice(text) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Answer: B or C",
        "Answer: A, B",
        "Answer: B and D",
        "Answer: B/C",
        "Both A and B",
        "Answer: B. Wait, it is C.",
        "The answer is not B",
        "Answer: B is wrong",
        "B is wrong, so C",
        "Not B",
        "Be careful: nobody knows",
        "Answer: Berlin",
        "Answer: C (not B)",
        "B?\nC",
        "A good question. B",
        "<think>B",
        "A) one\nB) two\nC) three",
    ],
)
def test_what_is_wrong_or_unclear_is_not_taken_for_the_choice(text: str) -> None:
    assert final_choice(text) != "B"


@pytest.mark.parametrize("text", ["A) one\nB) two", "Let me see.\nA) one\nB) two\nC) three\nD) four", "B) two\nD) four"])
def test_options_that_are_only_repeated_are_no_choice(text: str) -> None:
    assert final_choice(text) is None


@pytest.mark.parametrize("text", ["A dog barks", "I think so", "a house", "I am not sure"])
def test_a_word_is_no_choice(text: str) -> None:
    assert final_choice(text) is None


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("Answer: [12, 12, 12]", "12, 12, 12"),
        ("Answer: `il`", "il"),
        ("It prints this.\n\nAnswer:\n```\n10 4\n```", "10 4"),
        ("Answer:\n```python\n10 4\n```", "10 4"),
        ("**Answer:** Shelf C4.", "shelf c4"),
        ("one\ntwo", "two"),
        ("Answer: “Ja”", "ja"),
    ],
)
def test_a_text_is_compared_without_marks_around_it(text: str, last: str) -> None:
    assert final_text(text) == last


@given(st.text(alphabet="ABab 0123456789.,:/()\n*`$\\{}=<>thinkanswerboxed-é٤答", max_size=80))
def test_any_text_at_all_is_read(text: str) -> None:
    final_number(text)
    final_choice(text)
    assert final_text(text) == plain(final_text(text))


@pytest.mark.parametrize("piece", [",", "(", "1 ", "9", "answer ", "Answer: B ,", "\\boxed{", "<think>", "a/", "**", "1,111"])
def test_an_endless_answer_is_read_in_no_time(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    started = time.process_time()
    final_number(text)
    final_choice(text)
    final_text(text)
    assert time.process_time() - started < 2


def test_thinking_is_left_out_in_whatever_tags_it_comes() -> None:
    assert spoken("<thinking>no</thinking> yes") == "yes"
    assert spoken("no </think> yes") == "yes"
    assert spoken("<Reasoning>it never ends") == ""


def test_forms_of_a_character_are_one() -> None:
    assert plain("  **Ｃａｆé**  x. ") == plain("café x")
