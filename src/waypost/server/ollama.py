"""Ollama's paths beside chats: what there is, what is loaded, and what Waypost leaves to the engines."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from waypost._version import __version__
from waypost.decide.names import resolve
from waypost.dialects.fields import flag
from waypost.dialects.ollama import model_in, read_body
from waypost.dialects.ollama_answer import timestamp
from waypost.errors import PolicyError, UnknownModel
from waypost.fleet.deployment import Deployment
from waypost.router import Router
from waypost.server.body import ClientLeft
from waypost.server.body import read_body as received
from waypost.server.models import list_models, numbered_row
from waypost.server.reply import Json

# The version of Ollama whose API this is. Clients ask for it to know what they may use.
API_VERSION = "0.32.0"

# What each of our capabilities is called there, and whether one that nobody knows of counts: as the guards see it.
_CAPABILITIES = (
    ("tools", "tools", True),
    ("vision", "vision", False),
    ("audio", "audio", False),
    ("thinking", "reasoning", False),
)
# How the names of models begin: `qwen3:8b`, `Llama-3.1-8B-Instruct`.
_FAMILY = re.compile(r"[A-Za-z]+\d*")
_LEFT_TO_ENGINES = {
    "/api/create": ["POST"],
    "/api/copy": ["POST"],
    "/api/push": ["POST"],
    "/api/delete": ["DELETE"],
    "/api/blobs/{digest}": ["HEAD", "POST"],
}


class OllamaEndpoints:
    """Answers about names and models. ``wall_clock`` gives Unix time in nanoseconds."""

    def __init__(self, router: Router, max_body_bytes: int, wall_clock: Callable[[], int] = time.time_ns) -> None:
        self._router = router
        self._max_body_bytes = max_body_bytes
        self._since = timestamp(wall_clock())

    def routes(self) -> list[Route]:
        """Every path."""
        return [
            Route("/", self.root),
            Route("/api/version", self.version),
            Route("/api/tags", self.tags),
            Route("/api/ps", self.ps),
            Route("/api/show", self.show, methods=["POST"]),
            Route("/api/pull", self.pull, methods=["POST"]),
            *(Route(path, self.refuse, methods=methods) for path, methods in _LEFT_TO_ENGINES.items()),
        ]

    async def root(self, request: Request) -> Response:
        """The sentence by which clients know an Ollama."""
        del request
        return PlainTextResponse("Ollama is running")

    async def version(self, request: Request) -> Response:
        """The version of the API."""
        del request
        return Json({"version": API_VERSION, "waypost": __version__})

    async def tags(self, request: Request) -> Response:
        """Every name that a request may use, as a model."""
        del request
        return Json({"models": [self._listed(row) for row in self._rows()]})

    async def ps(self, request: Request) -> Response:
        """The models that are loaded, as the fleet saw them last: no engine is asked."""
        del request
        loaded = [row for row in self._rows() if row["waypost"].get("loaded")]
        return Json({"models": [self._listed(row) | _in_memory(row["waypost"]) for row in loaded]})

    async def show(self, request: Request) -> Response:
        """What is known of a name: of one that is no deployment, what all that it reaches can do together."""
        body = await self._body(request)
        if body is None:
            return Response(status_code=499)
        row = self._row(model_in(body))
        facts, details = row["waypost"], self._details(row)
        architecture = details["family"] or "waypost"
        info: dict[str, Any] = {"general.architecture": architecture}
        if facts["window_tokens"] is not None:
            info[f"{architecture}.context_length"] = facts["window_tokens"]
        if (deployment := self._deployment(row)) is not None and deployment.parameters_b is not None:
            info["general.parameter_count"] = round(deployment.parameters_b * 1e9)
        return Json(
            {
                "modelfile": f"# {row['id']}, a name of Waypost: GET /v1/models/{row['id']} says more",
                "parameters": "",
                "template": "{{ .Prompt }}",
                "details": details,
                "model_info": info,
                "capabilities": _capabilities(row),
                "modified_at": self._since,
            }
        )

    async def pull(self, request: Request) -> Response:
        """Success for what is here, so that a client that pulls what it was told to use goes on; a 404 for the rest."""
        body = await self._body(request)
        if body is None:
            return Response(status_code=499)
        name = model_in(body)
        if resolve(name, self._router.view(), self._router.policy) is None:
            shown = name[:100]
            raise UnknownModel(
                f"model {shown!r} not found: Waypost pulls no models; pull it at an engine of its fleet", param="model"
            )
        stream = body.get("stream")
        if stream is not None:
            flag(stream, "stream")
        if stream is False:
            return Json({"status": "success"})
        return StreamingResponse(_pulled(), media_type="application/x-ndjson")

    async def refuse(self, request: Request) -> Response:
        """What would change an engine's models."""
        raise PolicyError(f"{request.scope['path']} is left to the engines: Waypost does not change what models they hold")

    async def _body(self, request: Request) -> dict[str, Any] | None:
        """The body; ``None`` where the client has left."""
        try:
            raw = await received(request.scope, request.receive, self._max_body_bytes)
        except ClientLeft:
            return None
        return read_body(raw)

    def _rows(self) -> list[dict[str, Any]]:
        """The names that answer chats or make embeddings."""
        rows = list_models(self._router.view(), self._router.policy)
        return [row for row in rows if "*" not in row["id"] and row["waypost"].get("mode", "chat") != "other"]

    def _row(self, name: str) -> dict[str, Any]:
        fleet, policy = self._router.view(), self._router.policy
        meaning = resolve(name, fleet, policy)
        names = [] if meaning is None else [meaning.via, meaning.name, *(d.id for d in meaning.deployments)]
        rows = {row["id"]: row for row in self._rows()}
        found = next((rows[known] for known in (name, name.removesuffix(":latest"), *names) if known in rows), None)
        if found is None and meaning is not None and meaning.number is not None:
            found = numbered_row(name, meaning, fleet, policy)
        if found is None:
            raise UnknownModel(f"model {name[:100]!r} not found", param="model")
        return found

    def _deployment(self, row: Mapping[str, Any]) -> Deployment | None:
        if row["waypost"]["kind"] != "deployment":
            return None
        return self._router.view().deployment(row["id"])

    def _listed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        name = row["id"] if ":" in row["id"] else f"{row['id']}:latest"
        digest = hashlib.sha256(f"waypost/{row['id']}".encode()).hexdigest()
        found = {"name": name, "model": name, "modified_at": self._since, "digest": digest}
        residency = row["waypost"].get("residency") or {}
        # Ollama always has a size: clients with types read no list in which one lacks. It has 0 for what it does not hold.
        found["size"] = residency.get("size_bytes") or 0
        return {**found, "details": self._details(row), "capabilities": _capabilities(row)}

    def _details(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Ollama's fields; what nobody knows is empty there, as in Ollama's own answers about such models."""
        deployment = self._deployment(row)
        named = None if deployment is None else _FAMILY.match(deployment.model.rpartition("/")[2])
        family = named[0].lower() if named else ""
        size = None if deployment is None else deployment.parameters_b
        return {
            "parent_model": row["waypost"].get("target", ""),
            "format": "",
            "family": family,
            "families": [family] if family else [],
            "parameter_size": "" if size is None else f"{size:.1f}B",
            "quantization_level": "",
        }


def _capabilities(row: Mapping[str, Any]) -> list[str]:
    facts = row["waypost"]
    if facts.get("mode") == "embedding":
        return ["embedding"]
    can = facts["capabilities"]
    return ["completion", *(theirs for theirs, ours, unknown in _CAPABILITIES if (unknown if can[ours] is None else can[ours]))]


def _in_memory(facts: Mapping[str, Any]) -> dict[str, Any]:
    residency = facts["residency"] or {}
    size, share = residency.get("size_bytes"), residency.get("gpu_share")
    found = {
        "size_vram": None if size is None or share is None else round(size * share),
        "context_length": residency.get("window_tokens") or facts["window_tokens"],
    }
    return {name: value for name, value in found.items() if value is not None}


def _pulled() -> Iterator[bytes]:
    for status in ("pulling manifest", "success"):
        yield orjson.dumps({"status": status}) + b"\n"
