"""The router: decides, calls and records. The server is one around it; in Python it is used directly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from waypost.caching import open_cache
from waypost.completion import Reply, ReplyStream, SyncLoop, reply_of
from waypost.config import Config, load, loads
from waypost.decide.card import Decision
from waypost.decide.corrections import Corrections
from waypost.decide.decision import Artefacts, decide
from waypost.decide.explanation import Explanation
from waypost.decide.names import is_of_a_pair
from waypost.decide.own_tasks import OwnTask, OwnTasks
from waypost.decide.policy import Policy
from waypost.decide.task_model import LinearTaskModel, load_task_model
from waypost.dialects.hints import hints
from waypost.dialects.openai import parse_body, wants_usage
from waypost.dispatch.attempt_log import AttemptLog
from waypost.dispatch.commit import CommitBounds
from waypost.dispatch.dispatcher import Dispatcher
from waypost.dispatch.lanes import open_lanes
from waypost.dispatch.retry_budget import RetryBudget
from waypost.errors import WaypostError
from waypost.exchange import Ending, Exchange, http_status, stopping
from waypost.feedback import Feedback
from waypost.fleet.catalogue import Catalogue
from waypost.fleet.deployment import Deployment
from waypost.fleet.state import Fleet
from waypost.fleet.view import FleetView
from waypost.http.session import HttpSession
from waypost.ids import new_id
from waypost.ledger import Ledger, open_ledger
from waypost.ledger.record import Outcome, PromptDigest, known_cost
from waypost.opinions import Opinions
from waypost.quality_source import QualitySource
from waypost.ratings import Ratings
from waypost.startup import Assembly, put_in_force
from waypost.turn import EMPTY, Turn

if TYPE_CHECKING:
    from typing_extensions import Self


class Router(Opinions):
    """Sends every prompt to the right model.

    `route` decides and explains, without any I/O; `acompletion` and `completion` also make the call and record it. All of them
    take what OpenAI's chat completions take. Use it as a context manager, or call `close`, so that the ledger is written out.
    """

    def __init__(
        self,
        config: Config,
        *,
        ledger: Ledger | None = None,
        quality: QualitySource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._catalogue = Catalogue.load()
        self._config = config
        self._policy = config.setup.policy
        self._cache = open_cache(config, clock)
        self._task_model = load_task_model()
        self.quality = QualitySource() if quality is None else quality
        self.quality.follow(config.quality, self._policy)
        self._learned: OwnTasks | None = None
        self._learning = threading.Lock()
        self._dispatchers: dict[asyncio.AbstractEventLoop, tuple[Dispatcher, AsyncGenerator[None, None]]] = {}
        self._starting = threading.Lock()
        self._sync: SyncLoop | None = None
        self._assembly: Assembly | None = None
        self.fleet = Fleet(self._known(config.setup.deployments), clock=clock, engines=config.discovery.engines)
        self.fleet.batch_s = self._policy.batch_s
        self.quality.count_probes(self.view().deployments)
        self._learn(lambda model: model.with_own_tasks(self.learn(config.setup.policy)))
        self.budget = RetryBudget(config.policy.retry_budget, clock)
        self.ledger = open_ledger(config.ledger) if ledger is None else ledger
        self.ledger.start()
        self._feedback = Feedback(self.ledger, config.feedback, self._correct)
        self._feedback.renew()
        self._ratings = Ratings(self.ledger, config.feedback)

    @classmethod
    def from_config(cls, source: str | Path | Mapping[str, Any]) -> Router:
        """A router for a config file, or for the same as a mapping. Raises `ConfigError` with every problem found."""
        if isinstance(source, Mapping):
            import yaml  # noqa: PLC0415 - a mapping is rarer than a file

            return cls(loads(yaml.safe_dump(dict(source)), name="config"))
        return cls(load(source))

    @property
    def config(self) -> Config:
        """The config in force."""
        return self._config

    @property
    def policy(self) -> Policy:
        """The rules in force."""
        return self._policy

    @property
    def artefacts(self) -> Artefacts:
        """The learned parts in force."""
        return self._artefacts

    new_id = staticmethod(new_id)

    def view(self) -> FleetView:
        """The fleet as it is now."""
        return self.fleet.view()

    def learn(self, policy: Policy) -> OwnTasks | None:
        """The tasks of the user's own in these rules, learned; ``None`` where there are none.

        New examples take half a second; the same ones as last time, or none, take no time.
        """
        tasks = OwnTask.of(policy.routes.values())
        if not tasks:
            return None
        learned = self._learned
        if learned is None or learned.tasks != tasks:
            learned = self._learned = self._task_model.learn(tasks)
        return learned

    def apply(self, config: Config, deployments: Iterable[Deployment], routes: Mapping[str, tuple[str, ...]] = EMPTY) -> None:
        """Puts another config and fleet in force for the requests that come after; those under way keep what they have.

        ``deployments`` are the config's own, with what their engines say, and those that were found. ``routes`` gives
        candidates to routes that the config leaves open. Call `learn` before, in a thread, where nobody may wait for it.
        """
        own = self.learn(config.setup.policy)
        given = config.setup.policy.routes
        filled = {name: replace(route, candidates=routes.get(name, route.candidates)) for name, route in given.items()}
        self.fleet.replace(self._known(deployments), config.discovery.engines)
        self.quality.count_probes(self.view().deployments)
        if config.version != self._config.version:  # no answer under the old rules is one under the new ones
            self._cache = open_cache(config, self.clock)
        self._config, self._policy = config, replace(config.setup.policy, routes=filled)
        self.fleet.batch_s = self._policy.batch_s
        self._learn(lambda model: model.with_own_tasks(own))
        self._feedback.follow(config.feedback)
        self._ratings.follow(config.feedback)

    def decide(self, turn: Turn, fleet: FleetView | None = None) -> Decision:
        """The decision for a turn, for the fleet as it is now or as it was seen in ``fleet``."""
        conversation = turn.session or (turn.exchange if turn.tool_loop_open else None)
        return decide(turn, self.fleet.view_for(conversation, fleet), self._policy, self._artefacts)

    async def decide_beside(self, turn: Turn, fleet: FleetView | None = None) -> Decision:
        """`decide`, in a thread where a router of RouteLLM may be asked: it takes up to a second, and others must not wait."""
        if self.quality.win_rates and is_of_a_pair(turn.model, self._policy):
            return await asyncio.to_thread(self.decide, turn, fleet)
        return self.decide(turn, fleet)

    async def open(self, turn: Turn, decision: Decision, fleet: FleetView, *, started: float) -> Exchange:
        """Makes the call that was decided on for ``fleet``. ``started`` is when the request was read, on this router's clock.

        Returns once an answer is committed. Raises the refusal of the decision, or the last `ProviderError` when every
        candidate failed; both are recorded, and so is a cancellation.
        """
        log = AttemptLog()
        started_at = time.time() - (self.clock() - started)

        def record(ending: Ending, error: WaypostError | None) -> None:
            self._record(turn, decision, log, started, started_at, ending, error)

        try:
            decision.raise_if_refused()
        except WaypostError as error:
            record("refused", error)
            raise
        try:
            dispatcher, hedge = await self._dispatcher(), self._config.policy.hedge_after
            call = partial(dispatcher.open, turn, decision, fleet, started=started, log=log, hedge=hedge)
            answer = await (call() if self._cache is None else self._cache.open(turn, decision, fleet, log, call))
        except WaypostError as error:
            record("failed", error)
            raise
        except asyncio.CancelledError as cancelled:
            stop = stopping(cancelled)
            record("failed" if stop else "cancelled", stop)
            raise
        except Exception:  # a mistake of ours: it is recorded like any failure, and raised
            record("failed", WaypostError("something went wrong in Waypost"))
            raise
        return Exchange(decision, answer, record)

    async def look(self) -> None:
        """Asks the engines for what the config leaves open, and looks for engines where discovery is on.

        Only metadata is asked for. The server does this at its start and from time to time; a library knows what the config and
        LiteLLM's table say until it is called.
        """
        async with HttpSession() as session:
            self._assembly = await put_in_force(self, self._config, session, self._assembly)

    def route(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        model: str = "auto",
        headers: Mapping[str, str] = EMPTY,
        **params: Any,
    ) -> Decision:
        """Decides where a request would go, and why. Nothing is sent or recorded.

        ``messages`` may be one prompt. Raises `CallerError` for a request that is wrong; a request that nothing can serve gives
        a card whose ``refusal`` says why.
        """
        decision = self.decide(_turn(messages, model, headers, params))
        self.remember(decision)
        return decision

    def explain(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        model: str = "auto",
        headers: Mapping[str, str] = EMPTY,
        **params: Any,
    ) -> Explanation:
        """What each word and fact of a request did for its task, found by leaving it out. Raises what `route` raises."""
        return self._artefacts.task_model.explain(_turn(messages, model, headers, params))

    @overload
    async def acompletion(
        self, model: str = ..., messages: Any = ..., *, stream: Literal[False] = ..., **params: Any
    ) -> Reply: ...
    @overload
    async def acompletion(
        self, model: str = ..., messages: Any = ..., *, stream: Literal[True], **params: Any
    ) -> ReplyStream: ...
    async def acompletion(
        self,
        model: str = "auto",
        messages: Any = (),
        *,
        stream: bool = False,
        headers: Mapping[str, str] = EMPTY,
        **params: Any,
    ) -> Reply | ReplyStream:
        """Decides, calls and records; answers as OpenAI does, with attributes or keys, and with ``decision`` and ``attempts``.

        With ``stream=True``, a `ReplyStream` of chunks. Raises `CallerError`, `PolicyError`, `NoDeployment` or, when every
        candidate failed, the last `ProviderError`.
        """
        started = self.clock()
        turn = _turn(messages, model, headers, {**params, "stream": stream})
        fleet = self.view()
        exchange = await self.open(turn, await self.decide_beside(turn, fleet), fleet, started=started)
        if stream:
            return ReplyStream(exchange, with_usage=wants_usage(turn))
        async with aclosing(exchange):
            payload = exchange.whole()[0]
        return reply_of(payload, exchange.decision, exchange.attempts)

    @overload
    def completion(self, model: str = ..., messages: Any = ..., *, stream: Literal[False] = ..., **params: Any) -> Reply: ...
    @overload
    def completion(
        self, model: str = ..., messages: Any = ..., *, stream: Literal[True], **params: Any
    ) -> Generator[Reply, None, None]: ...
    def completion(
        self, model: str = "auto", messages: Any = (), *, stream: bool = False, **params: Any
    ) -> Reply | Generator[Reply, None, None]:
        """`acompletion` for code that is not async; it may be called from any thread."""
        with self._starting:
            loop = self._sync = self._sync or SyncLoop()
        if stream:
            return loop.iterate(loop.run(self.acompletion(model, messages, stream=True, **params)))
        return loop.run(self.acompletion(model, messages, stream=False, **params))

    async def aclose(self) -> None:
        """Gives back all connections of this event loop, and writes the ledger out."""
        kept = self._dispatchers.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await kept[1].aclose()
        await self.ledger.close()

    def close(self) -> None:
        """`aclose` for code that is not async."""
        loop = self._sync or SyncLoop()
        self._sync = None
        loop.run(self.aclose())
        loop.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _known(self, deployments: Iterable[Deployment]) -> tuple[Deployment, ...]:
        """Deployments with what LiteLLM's table knows of them, where nobody else said it."""
        return tuple(self._catalogue.fill(deployment) for deployment in deployments)

    def _correct(self, corrections: Corrections) -> None:
        self._learn(lambda model: model.with_corrections(corrections))

    def _learn(self, change: Callable[[LinearTaskModel], LinearTaskModel]) -> None:
        """Puts another model in force, and the estimates as they are now, from any thread.

        Decisions under way keep what they began with.
        """
        with self._learning:
            self._task_model = change(self._task_model)
            self._artefacts = Artefacts(self._task_model, *self.quality.in_force(), self.quality.win_rates)

    async def _dispatcher(self) -> Dispatcher:
        """The dispatcher of the running loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if loop not in self._dispatchers:
            rules = self._config.policy
            bounds = CommitBounds(rules.commit_max_bytes, rules.commit_max_events, rules.commit_max_s)
            dispatcher = Dispatcher(
                open_lanes(), self.fleet, clock=self.clock, bounds=bounds, budget=self.budget, slot_wait_s=rules.slot_wait_s
            )
            self._dispatchers = {known: kept for known, kept in self._dispatchers.items() if not known.is_closed()}
            self._dispatchers[loop] = dispatcher, _closed_at_the_end(dispatcher)
            await anext(self._dispatchers[loop][1])
        return self._dispatchers[loop][0]

    def _record(
        self,
        turn: Turn,
        decision: Decision,
        log: AttemptLog,
        started: float,
        started_at: float,
        ending: Ending,
        error: WaypostError | None,
    ) -> None:
        log.judge()
        attempts = log.attempts
        answered = next((attempt for attempt in attempts if attempt.committed), None)
        candidate = None if answered is None else decision.candidate(answered.deployment)
        by = answered or log.cache
        self.remember(decision)
        text = "\n".join(turn.user_texts) if self._config.ledger.store_prompts else None
        self.ledger.write(
            Outcome(
                decision=decision,
                started_at=started_at,
                duration_s=self.clock() - started,
                status=ending,
                http_status=http_status(ending, error),
                dialect=turn.dialect,
                stream=turn.stream,
                prompt=PromptDigest.of(turn, self.ledger.salt),
                attempts=attempts,
                first_output_s=None if answered is None else answered.first_output_s,
                error="cancelled" if ending == "cancelled" else error.code if error else None,
                deployment=None if by is None else by.deployment,
                finish_reason=None if by is None else by.finish_reason,
                usage=None if answered is None else answered.usage,
                cost_usd=known_cost(attempts, log.cache),
                session=turn.session,
                caller=turn.caller,
                simulated=candidate is not None and candidate.simulated,
                cache=None if log.cache is None else log.cache.state,
                text=text,
            )
        )


def _turn(messages: Any, model: str, headers: Mapping[str, str], params: Mapping[str, Any]) -> Turn:
    listed = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    listed = list(listed) if isinstance(listed, tuple) else listed
    return parse_body(
        {**params, "model": model, "messages": listed},
        turn_id=new_id(),
        headers=hints(headers.items()),
    )


async def _closed_at_the_end(dispatcher: Dispatcher) -> AsyncGenerator[None, None]:
    """Closes the dispatcher with its event loop, at the latest: a loop that shuts down closes the generators that are open."""
    try:
        yield
    finally:
        await dispatcher.close()
