"""Does a value fit a JSON schema that a caller wrote? Such a schema may be broken, or made to keep the validator busy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

MAX_SCHEMA_BYTES = 128 << 10
MAX_VALUE_BYTES = 256 << 10
# A comparison takes the validator 10 to 100 ns, finding out how many there are takes 3 µs a pair: 0.1 s is the worst of both.
MAX_COMPARISONS = 1_000_000
MAX_PAIRS = 10_000
# How large a pattern may be when it is compiled, which takes up to 0.5 ms; its engine is linear in the text.
MAX_PATTERN_BYTES = 64 << 10
MAX_PATTERNS = 200
_TEXT_BYTES_A_COMPARISON = 16

_HERE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
_HERE_BY_NAME = ("dependentSchemas", "dependencies")
_BELOW = (
    *("additionalProperties", "unevaluatedProperties", "items", "prefixItems", "additionalItems", "contains"),
    "unevaluatedItems",
)
_ELSEWHERE = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor")


def fits(schema: Any, value: Any) -> bool | None:
    """Whether ``value``, JSON as it was read, is valid under ``schema``; ``None`` where the schema cannot say so.

    That is one that is no JSON schema, refers to anything but a path inside it, has a pattern that a linear engine does not
    know, or would take too long. Nothing is fetched. Formats are annotations, as in the standard.
    """
    # Imported here: a turn without tools never needs it, and it is large.
    import jsonschema_rs  # noqa: PLC0415 -- see above

    try:
        written = orjson.dumps(schema, default=dict)
        if len(written) > MAX_SCHEMA_BYTES or len(orjson.dumps(value)) > MAX_VALUE_BYTES:
            return None
        read = orjson.loads(written)
        if _patterns(read) > MAX_PATTERNS or _Effort(read).of(read, value) > MAX_COMPARISONS:
            return None
        patterns = jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES, dfa_size_limit=MAX_PATTERN_BYTES)
        validator = jsonschema_rs.validator_for(read, offline=True, validate_formats=False, pattern_options=patterns)
        return bool(validator.is_valid(value))
    except (TypeError, ValueError, RecursionError):
        return None


class _Effort:
    """How many comparisons a validator makes at most: schemas of a few lines can ask for more than a lifetime.

    The validator tries each part of a schema wherever it applies, again and again where several ways lead to it. Here each pair
    of a part and a place is counted once, and then known.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._known: dict[tuple[int, int], int] = {}

    def of(self, part: Any, value: Any) -> int:
        """The comparisons for a part of the schema at one place of the value. Raises ``ValueError`` where nobody can say."""
        if not isinstance(part, dict):
            return 1
        pair = (id(part), id(value))
        if pair in self._known:
            return self._known[pair]
        if len(self._known) >= MAX_PAIRS:
            raise ValueError("too many pairs of schema and value")
        self._known[pair] = 0  # a schema that leads back to itself at the same place is cut short there
        effort = 1 + sum(self._own(part, value)) + sum(self.of(*applied) for applied in self._applied(part, value))
        if "unevaluatedProperties" in part or "unevaluatedItems" in part:
            effort *= 2  # they find out again what the others have seen
        self._known[pair] = effort
        return effort

    def _applied(self, part: dict[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
        """The parts below this one, each with a place that it is tried at."""
        if "$ref" in part:
            yield self._target(part["$ref"]), value
        if any(key in part for key in _ELSEWHERE) or ("$id" in part and part is not self._schema):
            raise ValueError("only paths inside the schema are followed")
        for key in _HERE:
            yield from ((below, value) for below in _listed(part.get(key)))
        for key in _HERE_BY_NAME:
            yield from ((below, value) for below in _named(part.get(key)).values())
        properties = _named(part.get("properties"))
        fields = value if isinstance(value, dict) else {}
        yield from ((properties[name], fields[name]) for name in fields if name in properties)
        children = list(fields.values()) or (value if isinstance(value, list) else [])
        everywhere = [below for key in _BELOW for below in _listed(part.get(key))]
        everywhere += _named(part.get("patternProperties")).values()
        yield from ((below, child) for below in everywhere for child in children)
        yield from ((part.get("propertyNames"), name) for name in fields)

    def _own(self, part: dict[str, Any], value: Any) -> Iterator[int]:
        """What a part compares itself."""
        yield len(part)
        yield from (len(part[key]) for key in ("enum", "required") if isinstance(part.get(key), list))
        if "pattern" in part and isinstance(value, str):
            yield len(value) // _TEXT_BYTES_A_COMPARISON
        if isinstance(value, dict):
            yield len(_named(part.get("patternProperties"))) * (len(value) + sum(map(len, value)) // _TEXT_BYTES_A_COMPARISON)

    def _target(self, reference: Any) -> Any:
        node = self._schema
        path = str(reference)
        if path != "#" and not path.startswith("#/"):
            raise ValueError("only paths inside the schema are followed")
        for step in path.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            node = node[int(name)] if isinstance(node, list) else _named(node).get(name)
        if not isinstance(node, (dict, bool)):
            raise ValueError("a reference that leads nowhere")  # noqa: TRY004 -- one error for all that cannot be used
        return node


def _patterns(schema: Any) -> int:
    """How many patterns may be in a schema, wherever they are: the validator compiles them all."""
    found = 0
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            found += ("pattern" in node) + len(_named(node.get("patternProperties")))
            left += node.values()
        elif isinstance(node, list):
            left += node
    return found


def _listed(value: Any) -> list[Any]:
    """One schema, or a list of them."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _named(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
