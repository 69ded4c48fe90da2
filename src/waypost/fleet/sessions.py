"""Which deployments answered a conversation last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

# After an hour no engine and no provider has a prompt in its cache any more.
TTL_S = 3600.0
# Some 3 MB.
MOST = 10_000
# A conversation may take several routes, each with deployments of its own.
EACH = 4


class Sessions:
    """At most ``most`` conversations, each for an hour after its last answer. Its owner sees to it that one thread is here."""

    __slots__ = ("_clock", "_known", "_most")

    def __init__(self, *, clock: Callable[[], float], most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    def answered(self, session: str, deployment_id: str) -> None:
        """It is this deployment's turn to be the last one."""
        before = self.of(session)
        others = [name for name in before if name != deployment_id]
        self._known[session] = self._clock(), (deployment_id, *others[: EACH - 1])
        self._known.move_to_end(session)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def of(self, session: str) -> tuple[str, ...]:
        """Those that answered it, the last one first."""
        at, names = self._known.get(session, (0.0, ()))
        return names if names and self._clock() < at + TTL_S else ()
