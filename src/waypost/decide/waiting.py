"""How long a caller would wait for a deployment: its queue, a load, the reading of the prompt, the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from waypost import tokens
from waypost.decide.eviction import Weights, evicted, reload_s
from waypost.fleet.view import Deployment, Memory, Residency, Status
from waypost.turn import Image, Turn

# A load that is under way is half done, on average.
_LOAD_UNDER_WAY = 0.5
_BYTES_PER_TOKEN = 4


class Outlook(NamedTuple):
    """What asking one deployment would mean just now. ``None`` is unknown, and never taken for 0.

    ``warm``: its weights are in memory. ``loads``: its engine would have to start a load; ``swaps``: and throw something out
    for it, the models that ``evicts`` names. The request after this one will have to expect ``later_s`` more seconds of
    loading: negative, where what comes is asked for more than what leaves. ``waiting`` is how many requests wait for the same
    load. ``read_s`` is for what it has not read yet of the prompt; ``kept_s`` is what it saves by having read the rest.
    """

    warm: bool | None
    loads: bool | None = None
    swaps: bool | None = False
    queue_s: float | None = None
    load_s: float | None = None
    read_s: float | None = None
    answer_s: float | None = None
    kept_s: float = 0.0
    evicts: tuple[str, ...] = ()
    later_s: float | None = 0.0
    waiting: int = 0

    @property
    def delay_s(self) -> float:
        """Seconds until its turn comes, as far as they are known; a load of unknown length takes for ever."""
        load_s = math.inf if self.loads and self.load_s is None else self.load_s
        return (self.queue_s or 0.0) + (load_s or 0.0)

    @property
    def first_s(self) -> float | None:
        """Seconds to the first output of a stream."""
        if self.queue_s is None or self.load_s is None or self.read_s is None:
            return None
        return self.queue_s + self.load_s + self.read_s

    @property
    def whole_s(self) -> float | None:
        """Seconds to the end of the answer."""
        first_s = self.first_s
        return None if first_s is None or self.answer_s is None else first_s + self.answer_s


def outlook(
    deployment: Deployment,
    status: Status,
    residency: Residency,
    memory: Memory | None,
    weights: Mapping[tuple[str, str], Weights],
    *,
    prompt_tokens: int,
    fresh_tokens: int,
    answer_tokens: int,
) -> Outlook:
    """What asking a deployment of an engine that loads and unloads models would mean.

    ``weights`` are those of the fleet. ``fresh_tokens`` are those of the prompt that it has not read yet, if its weights are
    still there. Requests in front of this one are taken to be as long as this one.
    """
    own = weights[residency.engine, residency.weights]
    warm = status.loaded if memory is None else residency.weights in memory.resident
    ahead = residency.waiting
    if ahead is None:
        ahead = own.in_flight // (deployment.max_parallel or 1)
    answer_s = _seconds(answer_tokens, residency.answer_tokens_per_s)
    if warm:
        read_s = _seconds(fresh_tokens, residency.prompt_tokens_per_s)
        kept_s = _seconds(prompt_tokens - fresh_tokens, residency.prompt_tokens_per_s) or 0.0
        return Outlook(warm, False, False, _queue_s(ahead, read_s, answer_s), 0.0, read_s, answer_s, kept_s)
    read_s = _seconds(prompt_tokens, residency.prompt_tokens_per_s)
    if warm is None:
        return Outlook(None, None, None, _queue_s(ahead, read_s, answer_s), None, read_s, answer_s)
    if memory is not None and memory.loading == residency.weights:
        load_s = None if own.load_s is None else own.load_s * _LOAD_UNDER_WAY
        return Outlook(warm, False, False, _queue_s(ahead, read_s, answer_s), load_s, read_s, answer_s)
    gone = None if memory is None else evicted(memory, residency.engine, residency.weights, weights)
    leaving = [weights.get((residency.engine, name)) for name in gone] if gone else ()
    if leaving and residency.waiting is None:
        ahead += sum([one.in_flight for one in leaving if one is not None])
    lost_s, won_s = None if gone is None else reload_s(leaving), reload_s((own,))
    # By position, which is faster.
    return Outlook(
        warm,
        True,
        None if gone is None else bool(gone),
        _queue_s(ahead, read_s, answer_s),
        own.load_s,
        read_s,
        answer_s,
        0.0,
        tuple(["another model" if one is None else one.name for one in leaving]),
        None if lost_s is None or won_s is None else lost_s - won_s,
        own.in_flight,
    )


def _queue_s(ahead: int, read_s: float | None, answer_s: float | None) -> float | None:
    if not ahead:
        return 0.0
    return None if read_s is None or answer_s is None else ahead * (read_s + answer_s)


def fresh_tokens(turn: Turn) -> int:
    """About how many tokens of the prompt are behind the last answer: what whoever gave it has not read yet.

    Four bytes are taken for a token: quicker than `tokens.estimate`, and near enough for a time.
    """
    found = 0
    for message in reversed(turn.messages):
        if message.role == "assistant":
            return min(found, turn.prompt_tokens)
        found += tokens.PER_MESSAGE + len(message.text.encode(errors="replace")) // _BYTES_PER_TOKEN
        found += tokens.PER_IMAGE * sum(isinstance(part, Image) for part in message.parts)
    return turn.prompt_tokens


def _seconds(count: int, per_s: float | None) -> float | None:
    if not count:
        return 0.0
    return count / per_s if per_s else None
