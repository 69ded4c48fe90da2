"""The ASGI app: every path, and what stands before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from waypost.decide.names import resolve
from waypost.dialects import ollama, ollama_embeddings, openai, openai_embeddings
from waypost.errors import CallerError, InvalidRequest, NotFound, WaypostError
from waypost.router import Router
from waypost.server.body import ClientLeft, read_body
from waypost.server.chat import ChatEndpoint, mistake, request_headers
from waypost.server.feedback import FeedbackEndpoints
from waypost.server.headers import decision_headers, safe_value
from waypost.server.hosts import HostGate
from waypost.server.models import list_models, numbered_row
from waypost.server.ollama import OllamaEndpoints
from waypost.server.openapi import document
from waypost.server.reply import Json
from waypost.server.spoken import spoken_at

CHAT_PATH = "/v1/chat/completions"

Background = Callable[[], AbstractAsyncContextManager[None]]


class Endpoints:
    """All paths but chat completions and feedback."""

    def __init__(self, router: Router, max_body_bytes: int) -> None:
        self._router = router
        self._max_body_bytes = max_body_bytes

    async def models(self, request: Request) -> Response:
        """Every name that a request may use."""
        fleet, policy = self._router.view(), self._router.policy
        rows = list_models(fleet, policy)
        wanted = request.path_params.get("model")
        if wanted is None:
            return Json({"object": "list", "data": rows})
        meaning = resolve(wanted, fleet, policy)
        names = {wanted} | ({meaning.deployments[0].id} if meaning and meaning.kind == "deployment" else set())
        row = next((row for row in rows if row["id"] in names), None)
        if row is None and meaning is not None and meaning.number is not None:
            row = numbered_row(wanted, meaning, fleet, policy)
        if row is None:
            raise NotFound("there is no model of that name; GET /v1/models lists what there is")
        return Json(row)

    async def route(self, request: Request) -> Response:
        """The decision card of a request that is not sent."""
        try:
            raw = await read_body(request.scope, request.receive, self._max_body_bytes)
        except ClientLeft:
            return Response(status_code=499)
        headers = request_headers(request.scope)
        turn = openai.parse(raw, turn_id=self._router.new_id(), headers=headers)
        decision = await self._router.decide_beside(turn)
        self._router.remember(decision)
        request_id = safe_value(headers.get("x-request-id") or turn.id)
        return Json(decision.to_dict(), headers=decision_headers(decision, request_id))

    async def decision(self, request: Request) -> Response:
        """What was decided, and what became of it."""
        entry = await asyncio.to_thread(self._router.ledger.get, request.path_params["id"])
        if entry is None:
            raise NotFound("the ledger holds no decision of that id")
        return Json(entry)

    async def live(self, request: Request) -> Response:
        """The process runs."""
        del request
        return Json({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        """Requests can be served; 503 when every deployment is down."""
        del request
        view = self._router.view()
        down = {d.id: view.status(d.id).reason for d in view if view.status(d.id).up is False}
        total = len(view.deployments)
        status = "down" if len(down) == total else "degraded" if down else "ready"
        body = {
            "status": status,
            "deployments": total,
            "down": down,
            "cooling": {d.id: cooling_s for d in view if (cooling_s := view.status(d.id).cooling_s) is not None},
            "waiting_for_a_slot": self._router.fleet.waiting,
            "retries_refused": self._router.budget.refused,
            "ledger_rows_dropped": self._router.ledger.dropped,
        }
        return Json(body, status_code=503 if status == "down" else 200)

    async def openapi(self, request: Request) -> Response:
        """The description of all this."""
        del request
        return Json(document())


def create_app(router: Router, background: Background, *, host: str) -> ASGIApp:
    """The app around a router. ``background`` runs beside it while it serves; the router is closed at the end.

    ``host`` is the name that it listens on.
    """
    server = router.config.server
    paths = Endpoints(router, server.max_body_bytes)
    feedback = FeedbackEndpoints(router, server.max_body_bytes)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        try:
            async with background():
                yield
        finally:
            await router.aclose()

    chat = ChatEndpoint(router, server.max_body_bytes, openai.CHAT)
    app = Starlette(
        routes=[
            Route(CHAT_PATH, chat, methods=["POST"]),
            Route("/v1/models", paths.models),
            Route("/v1/models/{model:path}", paths.models),
            Route(
                "/v1/embeddings", ChatEndpoint(router, server.max_body_bytes, openai_embeddings.EMBEDDINGS), methods=["POST"]
            ),
            Route("/v1/route", paths.route, methods=["POST"]),
            Route("/v1/decisions/{id}", paths.decision),
            Route("/v1/feedback", feedback.give, methods=["POST"]),
            *feedback.corrections(),
            *feedback.ratings(),
            Route("/health/live", paths.live),
            Route("/health/ready", paths.ready),
            Route("/healthz", paths.live),
            Route("/readyz", paths.ready),
            Route("/openapi.json", paths.openapi),
            Route("/api/chat", ChatEndpoint(router, server.max_body_bytes, ollama.CHAT), methods=["POST"]),
            Route("/api/generate", ChatEndpoint(router, server.max_body_bytes, ollama.GENERATE), methods=["POST"]),
            Route("/api/embed", ChatEndpoint(router, server.max_body_bytes, ollama_embeddings.EMBED), methods=["POST"]),
            Route(
                "/api/embeddings", ChatEndpoint(router, server.max_body_bytes, ollama_embeddings.EMBEDDINGS), methods=["POST"]
            ),
            *OllamaEndpoints(router, server.max_body_bytes).routes(),
        ],
        exception_handlers={WaypostError: _our_error, HTTPException: _http_error, Exception: _unexpected},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return HostGate(Shortcut(app, chat), {host, *server.allowed_hosts})


class Shortcut:
    """Takes chat completions past the table of paths, which costs a tenth of what they cost in all."""

    def __init__(self, app: ASGIApp, chat: ChatEndpoint) -> None:
        self._app = app
        self._chat = chat

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Everything else goes to the app."""
        is_chat = scope["type"] == "http" and scope["path"] == CHAT_PATH and scope["method"] == "POST"
        return (self._chat if is_chat else self._app)(scope, receive, send)


def _error(request: Request, error: WaypostError, status: int | None = None) -> Response:
    dialect = spoken_at(request.scope["path"])
    return Response(dialect.error_body(error), status_code=status or error.status, media_type="application/json")


async def _our_error(request: Request, error: Exception) -> Response:
    return _error(request, error if isinstance(error, WaypostError) else mistake())


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        answer = _error(request, InvalidRequest(f"{request.method} is not allowed on {request.scope['path']}"), 405)
        answer.headers.update((error.headers if isinstance(error, HTTPException) else None) or {})
        return answer
    return _error(
        request,
        NotFound(f"there is no path {request.scope['path']}; GET /openapi.json lists them")
        if status == 404
        else CallerError("bad request"),
        status,
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    del error
    return _error(request, mistake())
