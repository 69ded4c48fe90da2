"""A probe under way: a few calls at once, and what is known whenever it ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from waypost.decide.probed import Tally
from waypost.probing.asking import Asked
from waypost.probing.prompts import ProbePrompt

MOST_FAILURES = 5
"""After so many failures in a row without an answer, the rest is not tried."""


@dataclass(slots=True)
class ProbeRun:
    """Asks prompts, and keeps what came back: also when it is cancelled, ``asked`` has all that was answered until then.

    ``seen`` is told of each answer. Only the first call is made alone: ``first`` is told how it went before the others begin.
    """

    ask: Callable[[ProbePrompt], Awaitable[Asked]]
    at_once: int
    seen: Callable[[Asked], None]
    first: Callable[[Asked], None]
    asked: list[Asked] = field(default_factory=list)

    async def run(self, prompts: Sequence[ProbePrompt]) -> None:
        """Asks all of ``prompts``, unless the deployment fails call after call."""
        left = deque(prompts)
        if left:
            await self._one(left.popleft())
            self.first(self.asked[0])
        workers = [asyncio.ensure_future(self._work(left)) for _ in range(min(self.at_once, len(left)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    @property
    def gave_up(self) -> bool:
        """The last calls have all failed."""
        last = self.asked[-MOST_FAILURES:]
        return len(last) == MOST_FAILURES and all(one.passed is None for one in last)

    async def _work(self, left: deque[ProbePrompt]) -> None:
        while left and not self.gave_up:
            await self._one(left.popleft())

    async def _one(self, prompt: ProbePrompt) -> None:
        found = await self.ask(prompt)
        self.asked.append(found)
        self.seen(found)


def tallies(asked: Iterable[Asked]) -> tuple[Tally, ...]:
    """The answers by group and task, in the order of the prompts' groups. Calls that failed are not among them."""
    counts: dict[tuple[str, str], list[bool]] = {}
    for one in asked:
        if one.passed is not None:
            counts.setdefault((one.prompt.group, one.task), []).append(one.passed)
    return tuple(Tally(group, task, sum(passed), len(passed)) for (group, task), passed in sorted(counts.items()))
