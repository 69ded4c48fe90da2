"""The compiled kernel and the plain one give the same, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from waypost import kernel
from waypost.decide import features, reading
from waypost.kernel import plain
from waypost.tokens import _table

native = pytest.importorskip("waypost.kernel.native", reason="no kernel was compiled here: no compiler, or switched off")

LETTERS = st.one_of(
    st.characters(codec=None),
    st.sampled_from("abcdefg .,!?0123\n\t"),
    st.characters(max_codepoint=0x24F),
    st.characters(min_codepoint=0x300, max_codepoint=0x3000),
    st.sampled_from("あ漢字 。한글"),
    st.characters(codec=None, min_codepoint=0xD700, max_codepoint=0x1000F),
    st.sampled_from("a \u200b\u2019'\u00ad\u0130\x1c\x85\u3000{}()=;"),
)
TEXTS = st.one_of(
    st.text(LETTERS, max_size=300),
    st.builds(lambda text, times: text * times, st.text(LETTERS, max_size=40), st.integers(0, 2000)),
)
TABLE = np.random.default_rng(1).integers(-127, 128, (1 << plain.ROW_BITS, 33), np.int8)


def same(one: Any, other: Any) -> bool:
    """Alike in type, shape and every bit."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return type(one) is type(other) and one == other


def both(name: str, *given: Any) -> Any:
    """What both give for it, which is the same."""
    found, expected = getattr(native, name)(*given), getattr(plain, name)(*given)
    assert same(found, expected), name
    return found


@settings(deadline=None)
@example("")
@example("\ud800 \udfff")
@example("\u0130" * 10_000)
@example("no. " * 20_000)
@given(TEXTS)
def test_both_kernels_read_a_text_alike(text: str) -> None:
    codes, rows, chars, _ = both("ngrams", features.excerpt(text).lower(), features._FOLDED, features._KINDS)
    both("label_scores", rows, chars, TABLE, 0.0123)
    both("row_sums", rows[:320] >> 4, TABLE[: 1 << 14])
    both("damped", both("sketch", rows, chars, 512))
    both("marks", codes, reading._CODE_MARK, reading._LETTER)
    both("trigram_sum", text, _table().weights)


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=40))
def test_both_kernels_weigh_scores_alike(scores: list[float]) -> None:
    shares = both("softmax", np.array(scores))
    both("products", TABLE[:13, : len(scores)].astype(np.float64), np.resize(shares, min(len(scores), TABLE.shape[1])))


def test_the_compiled_kernel_is_in_use_where_it_is_there() -> None:
    assert kernel.NATIVE
    assert features.ngrams is native.ngrams


@pytest.mark.parametrize("row", [-1, 1 << plain.ROW_BITS, 1 << 40])
def test_a_row_outside_its_table_is_an_error(row: int) -> None:
    rows = np.array([row])
    with pytest.raises(IndexError):
        native.label_scores(rows, 0, TABLE, 1.0)
    with pytest.raises(IndexError):
        native.row_sums(rows, TABLE)


def test_a_table_of_another_size_is_an_error() -> None:
    few, codes = np.zeros(9, np.uint8), np.zeros(9, np.uint32)
    for call in (
        lambda: native.ngrams("a", codes, features._KINDS),
        lambda: native.ngrams("a", features._FOLDED, few),
        lambda: native.ngrams("a", features._FOLDED + np.uint32(1 << 16), features._KINDS),
        lambda: native.marks(codes, few, reading._LETTER),
        lambda: native.marks(codes, reading._LETTER, few),
        lambda: native.trigram_sum("a", few.view(np.int8)),
        lambda: native.sketch(np.zeros(1, np.int64), 0, 500),
        lambda: native.products(np.zeros((2, 3)), np.zeros(2)),
        lambda: native.products(np.zeros((3, 2)).T, np.zeros(3)),
        lambda: native.row_sums(np.zeros(1, np.int32), TABLE),
        lambda: native.row_sums(np.zeros(1, np.int64), TABLE[:, 0]),
        lambda: native.row_sums(np.zeros(1, np.int64), TABLE[:, ::2]),
        lambda: native.softmax(np.zeros(3, ">f8")),
        lambda: native.label_scores(np.zeros(1, np.int64), 0, np.zeros((1 << 19, 1), np.int8), 1.0),
    ):
        with pytest.raises(ValueError, match=r"65536|power|too many|as many|another kind"):
            call()
    with pytest.raises(IndexError):
        native.marks(np.array([1 << 16], np.uint32), reading._CODE_MARK, reading._LETTER)
