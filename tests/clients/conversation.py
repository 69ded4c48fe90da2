"""What the client tests say and offer, and the answers that the scripted models give to it."""

from __future__ import annotations

from typing import Any

COUNT = " ".join(f"c{number:03d}" for number in range(1, 201))


def function(name: str, argument: str) -> Any:
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": f"Gives what {name} says", "parameters": parameters}}


WEATHER = function("get_weather", "city")
CLOCK = function("get_time", "zone")


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]
