"""A caller's schema says yes, no or nothing, soon, whatever it is."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.dispatch.json_schema import MAX_SCHEMA_BYTES, MAX_VALUE_BYTES, fits

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"minimum": 1}}, "required": ["city"]}
EXPRESSION = {
    "$defs": {
        "e": {
            "type": "object",
            "properties": {
                "and": {"type": "array", "items": {"$ref": "#/$defs/e"}},
                "or": {"type": "array", "items": {"$ref": "#/$defs/e"}},
                "not": {"$ref": "#/$defs/e"},
                "eq": {"type": "string"},
            },
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/e",
}


def expression(depth: int, leaf: Any = "x") -> dict[str, Any]:
    return {"eq": leaf} if not depth else {"and": [expression(depth - 1, leaf), {"not": {"eq": "y"}}]}


def branching(levels: int) -> dict[str, Any]:
    """A few lines that ask for two to the power of ``levels`` comparisons."""
    parts: dict[str, Any] = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**parts, f"a{levels}": {"type": "string"}}, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (CITY, {"city": "Paris", "days": 2}, True),
        (CITY, {"city": "Paris", "more": 2}, True),
        (CITY, {"days": 2}, False),
        (CITY, {"city": "Paris", "days": 0}, False),
        ({}, {"anything": 1}, True),
        ({"pattern": r"^\d{4}-\d{2}$"}, "2026-11", True),
        ({"pattern": r"^\d{4}-\d{2}$"}, "soon", False),
        ({"format": "date"}, "soon", True),
        (EXPRESSION, expression(12), True),
        (EXPRESSION, expression(12, 5), False),
        (branching(10), "text", True),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, ["x"], True),
    ],
    ids=range(12),
)
def test_a_usable_schema_says_yes_or_no(schema: dict[str, Any], value: Any, expected: bool) -> None:
    assert fits(schema, value) is expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"required": "city"},
        {"properties": {"a": "string"}},
        {"$ref": "#/$defs/missing"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$schema": "http://127.0.0.1:9/schema.json"},
        {"$anchor": "here", "$ref": "#here"},
        {"allOf": [{"$id": "http://x/y", "$ref": "#/allOf"}]},
        {"$dynamicRef": "#x"},
        {"pattern": "("},
        {"pattern": "(?=lookahead)"},
        {"pattern": r"(x{1000}){1000}"},
        {"description": "x" * MAX_SCHEMA_BYTES},
        {"const": {1, 2}},
        {"const": float("nan"), "type": object()},
        branching(40),
        {"allOf": [{"pattern": "(a|aa|b){0,90}z"}] * 3000, "items": {}},
        {"properties": {"unused": {"patternProperties": {f"(a|aa|b){{0,90}}{n}": {} for n in range(3000)}}}},
        {"$ref": "#/$defs/a0", "$defs": {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(2000)}},
        [],
        "text",
        5,
    ],
    ids=range(23),
)
def test_a_broken_or_hostile_schema_says_nothing_and_soon(schema: Any) -> None:
    fits({}, {})  # the library is loaded
    began = time.perf_counter()
    assert fits(schema, "ab" * 50_000) is None
    assert time.perf_counter() - began < 2  # alone it is 0.1 s at most


def test_a_pattern_that_backtracks_elsewhere_is_linear_here() -> None:
    assert fits({"pattern": "^(a+)+$"}, "a" * 50_000 + "b") is False


def test_patterns_in_usual_number_are_fine() -> None:
    assert fits({"properties": {f"p{n}": {"pattern": f"^{n}[a-z]+$"} for n in range(100)}}, {"p5": "5a"}) is True


def test_a_schema_that_leads_back_to_itself_ends() -> None:
    for schema in ({"$ref": "#"}, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, {"properties": {"a": {"$ref": "#"}}}):
        assert fits(schema, {"a": {"a": {}}}) is True


def test_a_value_that_is_too_large_or_too_deep_is_not_judged() -> None:
    assert fits({}, "x" * (MAX_VALUE_BYTES + 1)) is None
    assert fits({"items": {"properties": {"a": {}}}}, [{"a": n} for n in range(20_000)]) is None
    deep: Any = 1
    for _ in range(240):
        deep = [deep]
    assert fits({"items": {"$ref": "#"}}, deep) in (True, None)


KEYWORDS = ("$ref", "$defs", "type", "properties", "items", "anyOf", "allOf", "not", "enum", "required", "pattern", "$id")
SCHEMAS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["#", "#/$defs/a", "object", "string", "a", "(", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYWORDS, "a", "patternProperties", "dependencies", "propertyNames"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(
    SCHEMAS,
    st.recursive(st.integers(0, 2) | st.just("a"), lambda inner: st.dictionaries(st.just("a"), inner) | st.lists(inner)),
)
def test_no_schema_raises(schema: Any, value: Any) -> None:
    assert fits(schema, value) in (True, False, None)
