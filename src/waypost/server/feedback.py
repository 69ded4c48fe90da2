"""``/v1/feedback``, ``/v1/corrections`` and ``/v1/ratings``: what users say of decisions, given, exported and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from waypost.decide.correction import Correction, require_task
from waypost.dialects.strict_json import read_object
from waypost.errors import InvalidRequest, NotFound
from waypost.ledger.clean import Cleaner
from waypost.ledger.rating import Rating
from waypost.router import Router
from waypost.server.body import ClientLeft, read_body
from waypost.server.reply import Json

FIELDS = ("decision", "text", "task", "user")
RATING_FIELDS = ("decision", "score", "source", "user")


class FeedbackEndpoints:
    """The paths of feedback. Corrections and ratings are stored before the answer is sent."""

    def __init__(self, router: Router, max_body_bytes: int) -> None:
        self._router = router
        self._max_body_bytes = max_body_bytes

    async def give(self, request: Request) -> Response:
        """One correction, or with a ``score`` one rating."""
        try:
            raw = await read_body(request.scope, request.receive, self._max_body_bytes)
        except ClientLeft:
            return Response(status_code=499)
        body = read_object(raw)
        if "score" in body:
            return await self._rate(body)
        fields = _checked(body)
        made = await asyncio.to_thread(
            self._router.feedback,
            fields["decision"],
            task=require_task(fields["task"]),
            text=fields["text"],
            caller=fields["user"],
        )
        return Json({"id": made.id, "task": made.task})

    async def _rate(self, body: dict[str, Any]) -> Response:
        for name in body:
            if name not in RATING_FIELDS:
                raise InvalidRequest(f"a rating has no such field, only {', '.join(RATING_FIELDS)}", param=name[:100])
        if not isinstance(body.get("decision"), str):
            raise InvalidRequest("say which decision's answer is rated, by its id", param="decision")
        source = body.get("source")
        made = await asyncio.to_thread(
            self._router.rate,
            body["decision"],
            body["score"],
            source="user" if source is None else source,
            caller=body.get("user"),
        )
        return Json({"id": made.id, "decision": made.decision, "score": made.score, "source": made.source})

    def corrections(self) -> list[BaseRoute]:
        """Listing and forgetting corrections."""
        return _kept("correction", self._router.corrections, self._router.forget_corrections)

    def ratings(self) -> list[BaseRoute]:
        """The same for ratings."""
        return _kept("rating", self._router.ratings, self._router.forget_ratings)


def _kept(
    what: str, listed: Callable[[], tuple[Correction, ...] | tuple[Rating, ...]], forget_ids: Callable[[Iterable[str]], int]
) -> list[BaseRoute]:
    """The paths that list and forget what is kept of one kind."""
    path = f"/v1/{what}s"

    async def export(request: Request) -> Response:
        """All of them."""
        _refuse_query(request)
        found = await asyncio.to_thread(listed)
        return Json({"object": "list", "data": [one.to_dict() for one in found]})

    async def forget(request: Request) -> Response:
        """Those of one caller, or all of them."""
        _refuse_query(request, "caller")
        names = request.query_params.getlist("caller")
        if len(names) > 1:
            raise InvalidRequest("name one caller at a time", param="caller")
        found = await asyncio.to_thread(listed)
        caller = Cleaner().name(names[0] or None) if names else None
        ids = [one.id for one in found if not names or one.caller == caller]
        return Json({"forgotten": await asyncio.to_thread(forget_ids, ids)})

    async def forget_one(request: Request) -> Response:
        """The one of that id."""
        _refuse_query(request)
        gone = await asyncio.to_thread(forget_ids, [request.path_params["id"]])
        if not gone:
            raise NotFound(f"there is no {what} of that id; GET {path} lists them")
        return Json({"forgotten": gone})

    return [
        Route(path, export, methods=["GET"]),
        Route(path, forget, methods=["DELETE"]),
        Route(f"{path}/{{id}}", forget_one, methods=["DELETE"]),
    ]


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that count, ``None`` where they are absent. Any other is refused: it may be a slip of one of these."""
    for name in body:
        if name not in FIELDS:
            raise InvalidRequest(f"there is no such field: a correction has {', '.join(FIELDS)}", param=name[:100])
    for name in ("decision", "text", "user"):
        if not isinstance(body.get(name), str | None):
            raise InvalidRequest("must be a text", param=name)
    if body.get("decision") is None and body.get("text") is None:
        raise InvalidRequest("say what is corrected: `decision` is the id of a decision, `text` a text", param="decision")
    if body.get("decision") is not None and body.get("text") is not None:
        raise InvalidRequest("give `decision` or `text`, not both: they may not mean the same", param="decision")
    return {name: body.get(name) for name in FIELDS}


def _refuse_query(request: Request, *known: str) -> None:
    """A slip in a parameter that narrows what is forgotten must not forget everything."""
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        raise InvalidRequest("there is no such parameter", param=unknown[:100])
