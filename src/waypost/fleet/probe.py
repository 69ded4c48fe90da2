"""Asks an engine for metadata: briefly, with little memory, and without trusting what answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import orjson

from waypost.addresses import root_of
from waypost.http.session import FAILURES, HttpSession, read_up_to
from waypost.secret import Secret

# The largest honest answer is Ollama's description of a model with its licence and tensors, well under a megabyte.
MOST_BYTES = 2 * 1024 * 1024
_OBJECT_WITH_LIST = re.compile(rb"\s{0,99}\{[^\[\]{}]{0,999}\[")


class Probe:
    """The questions of one look at one engine; they share one deadline.

    An answer is JSON or ``None``, whatever goes wrong. Redirects are not followed: metadata has no reason to be elsewhere, and
    the key must not travel. ``statuses`` holds what the server answered by path; it is empty if there is no server.
    ``too_long`` are the paths at which an object with a list begins, and is too long to be read.
    """

    def __init__(self, session: HttpSession, url: str, *, timeout_s: float, api_key: Secret | None = None) -> None:
        self._session = session
        self._root = root_of(url)
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + timeout_s
        self._headers = {"Accept": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key.reveal()}"
        self.statuses: dict[str, int] = {}
        self.too_long: set[str] = set()

    @property
    def late(self) -> bool:
        """The time is up: what was not answered may be there all the same."""
        return self._now() >= self._deadline

    async def get(self, path: str) -> Any:
        """The JSON at ``path``."""
        return await self._ask("GET", path, None, orjson.loads)

    async def text(self, path: str) -> str:
        """The text at ``path``; empty whatever goes wrong."""
        return str(await self._ask("GET", path, None, _text) or "")

    async def post(self, path: str, body: dict[str, str]) -> Any:
        """The JSON that ``path`` answers to ``body``: for the one engine that describes a model only this way."""
        return await self._ask("POST", path, body, orjson.loads)

    async def _ask(self, method: str, path: str, body: dict[str, str] | None, read: Callable[[bytes], Any]) -> Any:
        left_s = self._deadline - self._now()
        if left_s <= 0:
            return None
        try:
            headers, sent = self._headers, None
            if body is not None:
                headers, sent = {**headers, "Content-Type": "application/json"}, orjson.dumps(body)
            async with self._session.ask(method, self._root + path, timeout_s=left_s, headers=headers, body=sent) as answer:
                self.statuses[path] = answer.status
                if answer.status != 200:
                    return None
                said = await read_up_to(answer, MOST_BYTES)
                if len(said) <= MOST_BYTES:
                    return read(said)
                if _OBJECT_WITH_LIST.match(said):
                    self.too_long.add(path)
                return None
        except FAILURES:
            return None


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
