"""``/v1/feedback`` and ``/v1/corrections``: what users correct, given, exported and forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from waypost.decide.correction import require_task
from waypost.dialects.strict_json import read_object
from waypost.errors import InvalidRequest, NotFound
from waypost.ledger.clean import Cleaner
from waypost.router import Router
from waypost.server.body import ClientLeft, read_body
from waypost.server.reply import Json

FIELDS = ("decision", "text", "task", "user")


class FeedbackEndpoints:
    """The paths of feedback. Corrections are stored before the answer is sent."""

    def __init__(self, router: Router, max_body_bytes: int) -> None:
        self._router = router
        self._max_body_bytes = max_body_bytes

    async def give(self, request: Request) -> Response:
        """One correction."""
        try:
            raw = await read_body(request.scope, request.receive, self._max_body_bytes)
        except ClientLeft:
            return Response(status_code=499)
        fields = _checked(read_object(raw))
        made = await asyncio.to_thread(
            self._router.feedback,
            fields["decision"],
            task=require_task(fields["task"]),
            text=fields["text"],
            caller=fields["user"],
        )
        return Json({"id": made.id, "task": made.task})

    async def export(self, request: Request) -> Response:
        """All corrections."""
        _refuse_query(request)
        found = await asyncio.to_thread(self._router.corrections)
        return Json({"object": "list", "data": [correction.to_dict() for correction in found]})

    async def forget(self, request: Request) -> Response:
        """Those of one caller, or all of them."""
        _refuse_query(request, "caller")
        names = request.query_params.getlist("caller")
        if len(names) > 1:
            raise InvalidRequest("name one caller at a time", param="caller")
        found = await asyncio.to_thread(self._router.corrections)
        if names:
            caller = Cleaner().name(names[0] or None)
            found = tuple(correction for correction in found if correction.caller == caller)
        gone = await asyncio.to_thread(self._router.forget_corrections, [correction.id for correction in found])
        return Json({"forgotten": gone})

    async def forget_one(self, request: Request) -> Response:
        """One correction."""
        _refuse_query(request)
        gone = await asyncio.to_thread(self._router.forget_corrections, [request.path_params["id"]])
        if not gone:
            raise NotFound("there is no correction of that id; GET /v1/corrections lists them")
        return Json({"forgotten": gone})


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
