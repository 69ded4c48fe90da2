"""The reference of the config as the schema has it: one row for each key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from waypost.config import json_schema


def rows() -> list[str]:
    """A Markdown row for each key: its path, type, whether it is required, its default and its meaning."""
    schema = json_schema()
    return list(_rows(schema, schema["$defs"], ""))


def _rows(block: dict[str, Any], models: dict[str, Any], path: str) -> Iterator[str]:
    for name, field in block.get("properties", {}).items():
        inner, suffix = _model_in(field, models)
        required = "yes" if name in block.get("required", []) else "no"
        default = "" if inner or "default" not in field else f"`{json.dumps(field['default'])}`"
        meaning = field.get("description") or (inner or {})["description"]
        yield f"| `{path}{name}` | {_type(field, models)} | {required} | {default} | {meaning} |"
        if inner:
            yield from _rows(inner, models, f"{path}{name}{suffix}.")


def _type(field: dict[str, Any], models: dict[str, Any]) -> str:
    kinds = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    return " or ".join(dict.fromkeys(_one_type(kind, models) for kind in kinds))


def _one_type(kind: dict[str, Any], models: dict[str, Any]) -> str:
    if "$ref" in kind:
        return "mapping"
    if kind.get("type") == "array":
        return f"list of {_type(kind['items'], models)}s"
    return {"object": "mapping", "string": "text", "boolean": "true or false"}.get(kind["type"], kind["type"])


def _model_in(field: dict[str, Any], models: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The block that a field holds, and what stands between their names: ``[]`` for a list, ``.NAME`` for a mapping."""
    for kind in field.get("anyOf", [field]):
        for place, suffix in ((kind, ""), (kind.get("items", {}), "[]"), (kind.get("additionalProperties", {}), ".NAME")):
            if isinstance(place, dict) and "$ref" in place:
                found = models[place["$ref"].rpartition("/")[2]]
                return next((one for one in found.get("anyOf", []) if "properties" in one), found), suffix
    return None, ""
