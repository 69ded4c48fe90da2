"""Hard constraints: what a deployment must be able to do to be asked at all.

Guards come before every preference, and nothing that is merely likely can override one. A decision asks those that its turn
can break; each says in a sentence for the card why it drops a deployment. Unknown is not a no, with one exception: a deployment
that is not known to take images, sound or files is not sent any, unless the caller named it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, ClassVar, Protocol

from waypost.errors import ContextTooLong, MissingCapability, NoDeployment, PrivacyRefused, WaypostError
from waypost.fleet.view import Deployment, Status, answer_cap
from waypost.known_settings import SYSTEM_PREFIX
from waypost.tokens import estimate
from waypost.turn import Audio, File, Image, Turn, empty
from waypost.value import value


class Guard(Protocol):
    """One hard constraint: ``name`` is for the card, ``error`` is what the caller gets when it drops the last candidate."""

    name: ClassVar[str]
    error: ClassVar[type[WaypostError]]

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """A sentence, or ``None`` to keep the deployment."""
        ...


@value(frozen=True, slots=True)
class Chat:
    """Drops deployments that do not hold conversations, such as embedding models."""

    name: ClassVar[str] = "mode"
    error: ClassVar[type[WaypostError]] = MissingCapability

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Only ``chat`` deployments stay."""
        del turn, status
        return None if deployment.mode == "chat" else "does not answer chats"


@value(frozen=True, slots=True)
class Modality:
    """Drops deployments that cannot take an image, sound or file that is anywhere in the live context.

    An older image counts: the model reads the whole conversation, and one that cannot see fails on it or makes something up.
    """

    inputs: frozenset[type]
    unknown_passes: bool = False
    name: ClassVar[str] = "modality"
    error: ClassVar[type[WaypostError]] = MissingCapability

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Names the first input that the deployment cannot take."""
        del turn, status
        can = deployment.capabilities
        for kind, able, what in ((Image, can.vision, "images"), (Audio, can.audio, "audio"), (File, can.files, "files")):
            if kind not in self.inputs or able or (able is None and self.unknown_passes):
                continue
            return f"cannot take {what}" if able is False else f"is not known to take {what}"
        return None


@value(frozen=True, slots=True)
class Tools:
    """Drops deployments that are known not to call tools: for turns that offer some, or whose history holds calls."""

    name: ClassVar[str] = "tools"
    error: ClassVar[type[WaypostError]] = MissingCapability

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Unknown stays: most engines can, and few say so."""
        del turn, status
        return "cannot call tools" if deployment.capabilities.tools is False else None


@value(frozen=True, slots=True)
class StructuredOutput:
    """Drops deployments that are known to ignore a JSON schema: for callers that sent one."""

    name: ClassVar[str] = "structured_output"
    error: ClassVar[type[WaypostError]] = MissingCapability

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Unknown stays, as for tools."""
        del turn, status
        return "cannot hold an answer to a JSON schema" if deployment.capabilities.structured_output is False else None


@value(frozen=True, slots=True)
class ContextFit:
    """Drops deployments whose window cannot hold the prompt and the answer, or what the route is for.

    The window is the one the engine will really allocate (`Deployment.window_tokens`), not the model's trained maximum: a local
    engine truncates silently, so a near miss is a wrong answer and not an error. Where the caller set no cap, the answer is
    taken to be ``answer_tokens`` long, but never more than a quarter of the window; headroom never takes more than a sixteenth.
    An Ollama needs no more than that under a higher cap either, which is lowered to what is left.
    ``settings`` are those laid over the deployment's: their ``num_ctx`` is one that a client may ask for.
    """

    answer_tokens: int = 512
    headroom_tokens: int = 256
    settings: Mapping[str, Any] = field(default_factory=empty)
    needs_context: int | None = None
    name: ClassVar[str] = "context"
    error: ClassVar[type[WaypostError]] = ContextTooLong

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Both numbers, for the card."""
        del status
        window = self._window_tokens(deployment)
        if window is None:
            return None
        if self.needs_context is not None and window < self.needs_context:
            return f"this route is for more than {self.needs_context} tokens, its window holds {window}"
        needed = turn.prompt_tokens + self._answer_tokens(turn, deployment, window) + self._besides_tokens(deployment, window)
        return f"needs {needed} tokens, its window holds {window}" if needed > window else None

    def room_tokens(self, turn: Turn, deployment: Deployment) -> float:
        """The longest prompt that surely fits, in a turn without a cap like this one; with a cap, prompt and cap together."""
        window = self._window_tokens(deployment)
        if window is None:
            return math.inf
        room = window - self._besides_tokens(deployment, window)
        return room if turn.answer_tokens is not None else room - self._answer_tokens(turn, deployment, window)

    def _window_tokens(self, deployment: Deployment) -> int | None:
        if "num_ctx" in self.settings and deployment.reads == "ollama":
            return _window(self.settings["num_ctx"]) or deployment.window_tokens
        return deployment.window_tokens

    def _answer_tokens(self, turn: Turn, deployment: Deployment, window: int) -> int:
        cap = answer_cap(turn, deployment.settings, self.settings)
        expected = min(self.answer_tokens, window // 4)
        return expected if cap is None else min(cap, expected) if deployment.lane == "ollama" else cap

    def _besides_tokens(self, deployment: Deployment, window: int) -> int:
        return self._prefix_tokens(deployment) + min(self.headroom_tokens, window // 16)

    def _prefix_tokens(self, deployment: Deployment) -> int:
        if not self.settings and not deployment.settings:
            return 0
        prefix = self.settings.get(SYSTEM_PREFIX) or deployment.settings.get(SYSTEM_PREFIX)
        return estimate(prefix) if isinstance(prefix, str) else 0


def _window(num_ctx: Any) -> int | None:
    return num_ctx if isinstance(num_ctx, int) and not isinstance(num_ctx, bool) and num_ctx > 0 else None


@value(frozen=True, slots=True)
class Privacy:
    """Keeps a private request on local deployments. Down is no excuse: it is refused rather than sent out."""

    name: ClassVar[str] = "privacy"
    error: ClassVar[type[WaypostError]] = PrivacyRefused

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """Private is what the caller, the model name or the route says to be so."""
        del turn, status
        return None if deployment.local else "the request is private and this deployment is not local"


@value(frozen=True, slots=True)
class Health:
    """Drops deployments that are down or cooling. One that nobody has looked at yet stays."""

    name: ClassVar[str] = "health"
    error: ClassVar[type[WaypostError]] = NoDeployment

    def reason_to_drop(self, turn: Turn, deployment: Deployment, status: Status) -> str | None:
        """What is wrong, and for how long if that is known."""
        del turn, deployment
        if status.cooling_s is not None:
            return f"cools for {math.ceil(status.cooling_s)} s more ({status.reason or 'it failed'})"
        return f"is down ({status.reason or 'it does not answer'})" if status.up is False else None


def first_reason(guards: Iterable[Guard], turn: Turn, deployment: Deployment, status: Status) -> tuple[Guard, str] | None:
    """The first guard that drops the deployment, with its reason; ``None`` if all keep it."""
    for guard in guards:
        reason = guard.reason_to_drop(turn, deployment, status)
        if reason is not None:
            return guard, reason
    return None
