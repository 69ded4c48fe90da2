"""OpenAI's own schema of its answers, and what an answer has against it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FILE = Path(__file__).parent / "data" / "openai_answers.json"
COMPLETION = "CreateChatCompletionResponse"
CHUNK = "CreateChatCompletionStreamResponse"
ERROR = "ErrorResponse"
MODELS = "ListModelsResponse"
MODEL = "Model"


@cache
def _validator(name: str) -> Draft202012Validator:
    components = json.loads(FILE.read_text())["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


def violations(answer: Any, schema: str) -> list[str]:
    """One line for each thing that the schema forbids."""
    found = _validator(schema).iter_errors(answer)
    return [f"{'/'.join(str(step) for step in error.absolute_path)}: {error.message}" for error in found]
