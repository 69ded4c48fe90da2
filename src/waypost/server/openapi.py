"""``/openapi.json``: the paths that this server answers."""

from __future__ import annotations

from typing import Any

from waypost._version import __version__
from waypost.decide.labels import TASKS
from waypost.ledger.rating import SOURCES
from waypost.server.headers import REQUEST_HEADERS, RESPONSE_HEADERS

_ERROR = {
    "description": "An error in OpenAI's shape.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_OLLAMA_ERROR = {
    "description": "An error in Ollama's shape.",
    "content": {
        "application/json": {"schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}}
    },
}
_OBJECT = {"type": "object", "additionalProperties": True}


def document() -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    chat = {"$ref": "#/components/schemas/ChatRequest"}
    headers = [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in REQUEST_HEADERS.items()
    ]
    answered = {name: {"description": text, "schema": {"type": "string"}} for name, text in RESPONSE_HEADERS.items()}

    def call(operation: str, summary: str, schema: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        errors = {str(status): _ERROR for status in (400, 403, 404, 408, 413, 415, 429, 431, 502, 503, 504)}
        found = {"operationId": operation, "summary": summary, "parameters": headers, "requestBody": _json_body(schema)}
        return {"post": {**found, "responses": {"200": {**answer, "headers": answered}, **errors}}}

    completion = _json("A chat completion, or with `stream` its chunks as server-sent events.")
    completion["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    decide = "Decide which deployment should answer, and let it."
    embed = "Vectors, all of the one model that the name means."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Waypost", "version": __version__, "description": "Sends every prompt to the right model."},
        "paths": {
            "/v1/chat/completions": call("createChatCompletion", decide, chat, completion),
            "/v1/embeddings": call("createEmbedding", embed, _embedding_schema(), _json("One for each input, in their order.")),
            "/v1/route": {
                "post": {
                    "operationId": "route",
                    "summary": "The decision card of a request, without sending it.",
                    "parameters": headers,
                    "requestBody": _json_body(chat),
                    "responses": {"200": _json("The decision card."), "400": _ERROR, "408": _ERROR, "413": _ERROR},
                }
            },
            "/v1/models": {"get": _get("listModels", "Every name that a request may use.")},
            "/v1/models/{model}": {"get": _get("retrieveModel", "One of them.", "model")},
            "/v1/decisions/{id}": {"get": _get("getDecision", "What was decided, and what became of it.", "id")},
            **_feedback_paths(),
            **_ollama_paths(),
            "/health/live": {"get": _get("live", "The process runs.")},
            "/health/ready": {"get": _get("ready", "Requests can be served; 503 if not.")},
        },
        "components": {
            "schemas": {
                "Error": _error_schema(),
                "ChatRequest": _chat_schema(),
                "Feedback": _feedback_schema(),
                "Rating": _rating_schema(),
            }
        },
    }


def _feedback_paths() -> dict[str, Any]:
    feedback = {"oneOf": [{"$ref": "#/components/schemas/Feedback"}, {"$ref": "#/components/schemas/Rating"}]}
    return {
        "/v1/feedback": {
            "post": {
                "operationId": "giveFeedback",
                "summary": "Say which task a text or a decision should have been taken for, or rate the answer of a decision.",
                "requestBody": _json_body(feedback),
                "responses": {
                    "200": _json("The id of the correction or rating."),
                    **dict.fromkeys(("400", "403", "404", "413"), _ERROR),
                },
            }
        },
        **_kept_paths("correction"),
        **_kept_paths("rating"),
    }


def _kept_paths(what: str) -> dict[str, Any]:
    """Listing and forgetting what users have said."""
    caller = {
        "name": "caller",
        "in": "query",
        "description": "Only what this caller said; empty: what was said without a caller's name.",
        "schema": {"type": "string"},
    }
    one = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    forgotten = _json("How many were forgotten.")
    return {
        f"/v1/{what}s": {
            "get": _get(f"export{what.title()}s", f"Every {what}."),
            "delete": {
                "operationId": f"forget{what.title()}s",
                "summary": f"Forget all {what}s, or those of one caller.",
                "parameters": [caller],
                "responses": {"200": forgotten, "400": _ERROR},
            },
        },
        f"/v1/{what}s/{{id}}": {
            "delete": {
                "operationId": f"forget{what.title()}",
                "summary": f"Forget one {what}.",
                "parameters": [one],
                "responses": {"200": forgotten, "404": _ERROR},
            }
        },
    }


def _ollama_paths() -> dict[str, Any]:
    """Ollama's API, as far as it is here; `docs/api.md` says what is different."""

    def post(operation: str, summary: str, *more: int, streams: bool = False) -> dict[str, Any]:
        answer = _json(summary)
        if streams:
            answer["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
        wrong = {str(status): _OLLAMA_ERROR for status in (400, 404, 408, 413, *more)}
        body = _json_body({**_OBJECT, "required": ["model"], "properties": {"model": {"type": "string"}}})
        found = {"operationId": operation, "summary": summary, "requestBody": body, "responses": {"200": answer, **wrong}}
        return {"post": found}

    calls = (403, 415, 429, 431, 502, 503, 504)
    return {
        "/api/chat": post(
            "ollamaChat", "Ollama's chat: streamed as lines of JSON unless `stream` is false.", *calls, streams=True
        ),
        "/api/generate": post("ollamaGenerate", "The same for one prompt.", *calls, streams=True),
        "/api/embed": post("ollamaEmbed", "Vectors, all of the one model that the name means.", *calls),
        "/api/embeddings": post("ollamaEmbeddings", "The same for one prompt.", *calls),
        "/api/show": post("ollamaShow", "What is known of a name, in Ollama's form."),
        "/api/pull": post("ollamaPull", "Success for every name that is here; nothing is loaded or fetched.", streams=True),
        "/api/tags": {"get": _get("ollamaTags", "Every name that a request may use, as Ollama lists models.")},
        "/api/ps": {"get": _get("ollamaPs", "The models that are loaded.")},
        "/api/version": {"get": _get("ollamaVersion", "The version of Ollama's API that this is.")},
    }


def _rating_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["decision", "score"],
        "additionalProperties": False,
        "properties": {
            "decision": {"type": "string", "description": "The id of a decision in the ledger."},
            "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "How good its answer was."},
            "source": {"enum": [*SOURCES, None], "description": "Who thinks so; `user` where it is not said."},
            "user": {"type": ["string", "null"], "description": "Who says so."},
        },
    }


def _feedback_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Give `decision` or `text`, one of the two.",
        "required": ["task"],
        "additionalProperties": False,
        "properties": {
            "decision": {"type": ["string", "null"], "description": "The id of one of the last 10,000 decisions."},
            "text": {"type": ["string", "null"], "description": "What was asked. It is not stored."},
            "task": {"type": "string", "enum": list(TASKS)},
            "user": {"type": ["string", "null"], "description": "Who says so."},
        },
    }


def _embedding_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "OpenAI's embedding request; fields that are not named here are passed on.",
        "required": ["model", "input"],
        "additionalProperties": True,
        "properties": {
            "model": {"type": "string", "minLength": 1},
            "input": {"type": ["string", "array"], "maxItems": 2048},
            "encoding_format": {"type": ["string", "null"], "enum": ["float", "base64", None]},
            "dimensions": {"type": ["integer", "null"], "minimum": 1},
        },
    }


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _json(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _OBJECT}}}


def _get(operation: str, summary: str, parameter: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": operation, "summary": summary, "responses": {"200": _json(summary)}}
    if parameter is not None:
        found["parameters"] = [{"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}]
        found["responses"]["404"] = _ERROR
    if operation == "ready":
        found["responses"]["503"] = _json("Every deployment is down.")
    return found


def _error_schema() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    error = {"type": "object", "required": ["message", "type", "param", "code"]}
    return {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {**error, "properties": dict.fromkeys(("message", "type", "param", "code"), text)}},
    }


def _chat_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "OpenAI's chat completion request; fields that are not named here are passed on.",
        "required": ["model", "messages"],
        "additionalProperties": True,
        "properties": {
            "model": {"type": "string", "minLength": 1, "examples": ["auto", "auto-cheap", "coding"]},
            "messages": {"type": "array", "minItems": 1, "items": _OBJECT},
            "stream": {"type": ["boolean", "null"]},
            "tools": {"type": ["array", "null"], "items": _OBJECT},
            "max_tokens": {"type": ["integer", "null"], "minimum": 0},
            "max_completion_tokens": {"type": ["integer", "null"], "minimum": 0},
        },
    }
