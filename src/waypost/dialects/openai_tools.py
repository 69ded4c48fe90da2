"""OpenAI's tools: what is offered, what is chosen, and the form that the answer must take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.dialects.fields import as_object, chosen, list_at, must_be, name_at, object_at, optional_text_at, text_at
from waypost.errors import InvalidRequest
from waypost.turn import ResponseFormat, Tool

_MODES = ("none", "auto", "required")
_FORMATS = ("text", "json_object", "json_schema")


def read_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools offered, those of the older ``functions`` after those of ``tools``."""
    if body.get("tools") is None and body.get("functions") is None:
        return ()
    tools = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(list_at(body, "tools", ""))]
    older = [
        _described(as_object(function, f"functions[{index}]"), f"functions[{index}]")
        for index, function in enumerate(list_at(body, "functions", ""))
    ]
    return (*tools, *older)


def read_tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> str | None:
    """``none``, ``auto``, ``required`` or the name of a tool; ``None`` where the caller did not choose.

    A choice of several allowed tools is read as its mode: which of them is the engine's business.
    """
    for key, read in (("tool_choice", _tool_choice), ("function_call", _function_call)):
        if body.get(key) is not None:
            choice = read(body[key], key)
            if choice not in ("none", "auto"):
                _require_offered(choice, key, tools)
            return choice
    return None


def read_response_format(body: Mapping[str, Any]) -> ResponseFormat:
    """The form of the answer; text where the caller set none."""
    if body.get("response_format") is None:
        return "text"
    wanted = object_at(body, "response_format", "")
    kind = chosen(wanted, "type", "response_format", _FORMATS)
    if kind == "json_schema":
        schema = object_at(wanted, "json_schema", "response_format")
        name_at(schema, "name", "response_format.json_schema")
        optional_text_at(schema, "description", "response_format.json_schema")
        if schema.get("schema") is not None:
            object_at(schema, "schema", "response_format.json_schema")
    return kind  # type: ignore[return-value] # one of _FORMATS


def _tool(value: Any, path: str) -> Tool:
    tool = as_object(value, path)
    kind = chosen(tool, "type", path, ("function", "custom"))
    described = _described(object_at(tool, kind, path), f"{path}.{kind}")
    if kind == "custom" and tool["custom"].get("format") is not None:
        _custom_format(object_at(tool["custom"], "format", f"{path}.custom"), f"{path}.custom.format")
    return described


def _described(function: Mapping[str, Any], path: str) -> Tool:
    parameters = function.get("parameters")
    if parameters is not None:
        object_at(function, "parameters", path)
    return Tool(name_at(function, "name", path), optional_text_at(function, "description", path) or "", parameters)


def _custom_format(given: Mapping[str, Any], path: str) -> None:
    if chosen(given, "type", path, ("text", "grammar")) == "grammar":
        grammar = object_at(given, "grammar", path)
        text_at(grammar, "definition", f"{path}.grammar")
        chosen(grammar, "syntax", f"{path}.grammar", ("lark", "regex"))


def _tool_choice(value: Any, path: str) -> str:
    if type(value) is str:
        if value not in _MODES:
            raise must_be(path, "one of " + ", ".join(_MODES) + ", or an object that names a tool")
        return value
    choice = as_object(value, path)
    kind = chosen(choice, "type", path, ("function", "custom", "allowed_tools"))
    inner = object_at(choice, kind, path)
    if kind != "allowed_tools":
        return name_at(inner, "name", f"{path}.{kind}")
    for index, tool in enumerate(list_at(inner, "tools", f"{path}.allowed_tools")):
        as_object(tool, f"{path}.allowed_tools.tools[{index}]")
    return chosen(inner, "mode", f"{path}.allowed_tools", ("auto", "required"))


def _function_call(value: Any, path: str) -> str:
    if type(value) is not str:
        return name_at(as_object(value, path), "name", path)
    if value not in ("none", "auto"):
        raise must_be(path, "one of none, auto, or an object that names a function")
    return value


def _require_offered(choice: str, path: str, tools: tuple[Tool, ...]) -> None:
    if not tools:
        raise InvalidRequest(f"'{path}' asks for a tool, but the request offers none.", param=path)
    if choice != "required" and all(tool.name != choice for tool in tools):
        raise InvalidRequest(f"'{path}' names a tool that the request does not offer.", param=path)
