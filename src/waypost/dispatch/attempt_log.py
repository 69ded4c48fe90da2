"""The attempts of one request, readable at any time and in every ending."""

from __future__ import annotations

from waypost.dispatch.answer_check import AnswerCheck, Verdict
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.dispatch.events import Event, Usage
from waypost.errors import ProviderError, WaypostError
from waypost.fleet.deployment import Deployment
from waypost.fleet.timings import Timings
from waypost.tokens import estimate

CANCELLED = "cancelled"
HEDGE_LOST = "hedge_lost"


class AttemptRecord:
    """One attempt while it runs; ``attempt`` is how it stands now, and goes on with it.

    Times are seconds since the request was read. While it runs, ``ended_s`` is when it began, and usage is known only from the
    engine. ``text`` is what came of the answer, piece by piece, until it has ended.
    """

    __slots__ = ("_prompt_tokens", "attempt", "check", "deployment", "text", "timings")

    def __init__(self, deployment: Deployment, prompt_tokens: int, started_s: float) -> None:
        self.deployment = deployment
        self.attempt = Attempt(deployment.id, started_s, started_s)
        self.check: AnswerCheck | None = None
        self.timings: Timings | None = None
        self.text: list[str] = []
        self._prompt_tokens = prompt_tokens

    @property
    def latency_s(self) -> float | None:
        """Seconds from its beginning to its first output."""
        first_output_s = self.attempt.first_output_s
        return None if first_output_s is None else first_output_s - self.attempt.started_s

    def see(self, event: Event, now_s: float) -> None:
        """Takes down what an event tells about the attempt."""
        attempt = self.attempt
        attempt.skipped_events += event.skipped
        if event.output and attempt.first_output_s is None:
            attempt.first_output_s = now_s
        if event.text:
            self.text.append(event.text)
        if event.finish_reason is not None:
            attempt.finish_reason = event.finish_reason
        if event.usage is not None:
            self._count(event.usage)
            self.timings = event.timings
            attempt.load_s = None if event.timings is None else event.timings.load_s
        if self.check is not None:
            self.check.see(event.payload)

    def end(self, now_s: float) -> None:
        """Takes down that it is over. Where the engine gave output but no count of it, ours is made now, once."""
        self.attempt.ended_s = now_s
        if self.attempt.usage is None and self.attempt.first_output_s is not None:
            self._count(Usage(self._prompt_tokens, estimate("".join(self.text)), estimated=True))
        self.text.clear()

    def fail(self, error: ProviderError) -> None:
        """Takes down why the engine failed."""
        self.attempt.error = error.code
        self.attempt.message = error.message
        self.attempt.upstream_status = error.upstream_status

    def judge(self) -> Verdict | None:
        """Takes down whether the answer, which is complete, is what was asked for. It may take a while, and is done once."""
        if self.check is not None:
            self.attempt.verdict = self.check.verdict()
            self.check = None
        return self.attempt.verdict

    def prefer_another(self, error: ProviderError) -> None:
        """The answer is complete, and does not go out: ``error`` says why."""
        self.attempt.committed = False
        self.fail(error)

    def prefer_after_all(self) -> None:
        """It goes out, as there is none that is better."""
        self.attempt.committed = True
        self.attempt.error = self.attempt.message = None

    def cancel(self) -> None:
        """The caller left; the engine did nothing wrong."""
        self.attempt.error = CANCELLED
        self.attempt.message = "the caller left before the answer was complete"

    def lose(self) -> None:
        """Another one was quicker. Where it gave no output, it has read its prompt all the same."""
        self.attempt.committed = False
        self.attempt.error = HEDGE_LOST
        self.attempt.message = "another deployment, asked beside this one, was quicker"
        if self.attempt.usage is None:
            self._count(Usage(self._prompt_tokens, 0, estimated=True))

    def crash(self) -> None:
        """Waypost itself went wrong, which is a bug; the engine did nothing wrong either."""
        self.attempt.error = WaypostError.code
        self.attempt.message = "Waypost failed while it made the call; its log has the details"

    def _count(self, usage: Usage) -> None:
        price = self.deployment.price
        self.attempt.usage = usage
        if price is not None and usage.prompt_tokens is not None and usage.completion_tokens is not None:
            self.attempt.cost_usd = price.cost_usd(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens or 0)
        else:
            self.attempt.cost_usd = None


class AttemptLog:
    """All attempts of one request, oldest first. The caller makes it, dispatch writes it, and it outlives any failure.

    ``cache`` is what the cache did; ``None`` where it had no part in the request.
    """

    __slots__ = ("_records", "cache")

    def __init__(self) -> None:
        self._records: list[AttemptRecord] = []
        self.cache: CacheUse | None = None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt so far; the last one may still be running."""
        return tuple([record.attempt for record in self._records])

    def __len__(self) -> int:
        return len(self._records)

    def tell_last(self, message: str) -> None:
        """Corrects the sentence of the last attempt's error: there is more to say."""
        self._records[-1].attempt.message = message

    def lost(self, deployment_id: str) -> AttemptRecord | None:
        """Takes down that a deployment was asked in vain; ``None`` if that is not why its last attempt ended."""
        record = next(record for record in reversed(self._records) if record.deployment.id == deployment_id)
        if record.attempt.error not in (None, CANCELLED):
            return None
        record.lose()
        return record

    def judge(self) -> None:
        """Has the answer that went out checked, if it came to its end: when the client has it, as it may take a while."""
        for record in self._records:
            if record.attempt.committed and record.attempt.error is None:
                record.judge()

    def begin(self, deployment: Deployment, prompt_tokens: int, started_s: float) -> AttemptRecord:
        """Opens the record of a new attempt."""
        record = AttemptRecord(deployment, prompt_tokens, started_s)
        self._records.append(record)
        return record
