"""The lane to every provider that LiteLLM knows. Nothing else that serves imports it, and this only at the first call."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import orjson

from waypost.dispatch.classify import from_status
from waypost.dispatch.conform import Form
from waypost.dispatch.events import Call, Event
from waypost.dispatch.lanes.litellm_library import close_connections, connecting_within, load
from waypost.dispatch.patience import Patience
from waypost.dispatch.reading import is_answer
from waypost.dispatch.retry_after import retry_after_s
from waypost.errors import ConnectFailed, ConnectTimeout, ProviderError, ProviderProtocolError, ProviderTimeout
from waypost.fleet.deployment import Deployment
from waypost.secret import Secret

# LiteLLM puts them before the engine's words, such as RateLimitError and OpenAIException.
_CLASS_NAMES = re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception|Timeout): )*(?:\w+Exception - )?")
_TOP = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
_CHOICE = ("index", "logprobs")
_SAID = ("role", "content", "reasoning_content", "refusal", "tool_calls", "function_call", "audio", "images", "annotations")
# Their protocol has neither counts nor a reason for the end: LiteLLM makes up both, the counts as zeros.
_WITHOUT_COUNTS = frozenset({"triton"})
# What LiteLLM runs into when an answer has not the form that it takes for granted; it says 500 then.
_OWN_FAULTS = (AttributeError, IndexError, KeyError, TypeError)
_EMBEDDING = ("input", "dimensions", "user")
_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details")


class LiteLlmLane:
    """Calls ``litellm.acompletion`` with no retries of its own, and gives its answers as events.

    It loads at the first call. From then on LiteLLM follows no redirects in this process, whoever calls it.
    """

    # LiteLLM keeps its connections for the process, by event loop; so the lanes that share them are counted in the same way.
    _open: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, int]] = WeakKeyDictionary()

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._loading = asyncio.Lock()
        self._litellm: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def events(self, call: Call) -> AsyncGenerator[Event, None]:
        """The answer. Closing it closes the connection."""
        litellm = await self._load(call.deployment)
        patience = Patience(call)

        async def wait(step: Awaitable[Any]) -> Any:
            # Some of LiteLLM's streams connect at the first chunk only.
            with connecting_within(call.deployment.timeouts.connect_s):
                return await patience.wait(step)

        try:
            answer = await wait(litellm.acompletion(**self._arguments(call)))
            if not call.stream:
                yield _whole(call.deployment, answer)
                return
            reader = _ChunkReader(call.deployment, answer)
            try:
                while (chunk := await wait(anext(answer, None))) is not None:
                    patience.listen()
                    read = reader.read(chunk.model_dump(exclude_none=True))
                    if read is not None:
                        yield read
                for event in reader.end():
                    yield event
            finally:
                await answer.aclose()
        except ProviderError:
            raise
        except Exception as error:
            raise _error(call.deployment, error, self._wall_clock()) from error

    async def embedding(self, call: Call) -> Mapping[str, Any]:
        """Vectors, in OpenAI's form."""
        litellm = await self._load(call.deployment)
        patience = Patience(call)
        body = {name: call.body[name] for name in _EMBEDDING if name in call.body}
        arguments = self._arguments(replace(call, body=body))
        del arguments["stream"]
        try:
            with connecting_within(call.deployment.timeouts.connect_s):
                answer = await patience.wait(litellm.aembedding(**arguments, encoding_format="float"))
        except ProviderError:
            raise
        except Exception as error:
            raise _error(call.deployment, error, self._wall_clock()) from error
        found: Mapping[str, Any] = answer.model_dump()
        return found

    async def close(self) -> None:
        """Gives back the connections of its event loop, once no other lane of the loop is open."""
        loop, self._loop, self._litellm = self._loop, None, None
        if loop is None:
            return
        self._open[loop] -= 1
        if not self._open[loop]:
            await close_connections(loop)

    async def _load(self, deployment: Deployment) -> Any:
        """LiteLLM, imported on a thread the first time: it keeps a core busy for seconds."""
        async with self._loading:
            if self._litellm is None:
                try:
                    self._litellm = await asyncio.to_thread(load)
                except ImportError as error:
                    message = f"{deployment.id} needs LiteLLM, which is not installed: pip install 'waypost[litellm]'"
                    raise ConnectFailed(message, deployment=deployment.id) from error
                self._loop = asyncio.get_running_loop()
                self._open[self._loop] = self._open.get(self._loop, 0) + 1
            return self._litellm

    def _arguments(self, call: Call) -> dict[str, Any]:
        """What LiteLLM gets. The body comes first: nothing in it can change where the call goes, or how often.

        Parameters that a provider does not take are dropped, unless the config says otherwise.
        """
        deployment = call.deployment
        times = deployment.timeouts
        fixed: dict[str, Any] = {
            "model": f"{deployment.provider}/{deployment.model}",
            "num_retries": 0,
            "max_retries": 0,
            "timeout": times.total_s,
            "stream": call.stream,
        }
        if deployment.api_base is not None:
            fixed["api_base"] = deployment.api_base
        if deployment.api_key is not None:
            fixed["api_key"] = deployment.api_key.reveal()
        if deployment.headers:
            fixed["extra_headers"] = dict(deployment.headers)
        transport = {k: v.reveal() if isinstance(v, Secret) else v for k, v in deployment.transport.items()}
        return {**call.body, "drop_params": True, **transport, **fixed}


class _ChunkReader:
    """Reads one stream of LiteLLM's chunks: without private fields, and with tool calls that can be told apart."""

    def __init__(self, deployment: Deployment, answer: Any) -> None:
        self._deployment = deployment
        self._answer = answer
        self._form = Form(deployment.model)
        self._finished = False
        self._output = False

    def read(self, given: Mapping[str, Any]) -> Event | None:
        """The event for a chunk; ``None`` if it says nothing.

        LiteLLM makes up a finish reason where the engine sent none, so one that it did not receive is a failure, and so is one
        without any output.
        """
        if not is_answer(given) or (given.get("usage") and self._deployment.provider in _WITHOUT_COUNTS):
            return None
        choices = [_choice(choice, "delta") for choice in given["choices"]]
        chunk = _body(given, choices)
        event = self._form.chunk(orjson.dumps(chunk), chunk)
        self._finished = self._finished or event.finish_reason is not None
        self._output = self._output or event.output
        if event.finish_reason == "stop" and not self._output:
            raise self._broken("answered with an empty stream")
        if event.finish_reason is not None and self._made_up():
            raise self._broken("ended the stream before its end")
        return event

    def end(self) -> list[Event]:
        """What is left to say; raises if the stream has ended without a finish reason."""
        if not self._finished:
            raise self._broken("ended the stream before its end")
        return self._form.rest()

    def _made_up(self) -> bool:
        """The wrapper of LiteLLM that has streams of its providers keeps what it received."""
        if self._deployment.provider in _WITHOUT_COUNTS:
            return False
        names = ("received_finish_reason", "intermittent_finish_reason")
        return all(getattr(self._answer, name, "unknown") is None for name in names)

    def _broken(self, verdict: str) -> ProviderProtocolError:
        return ProviderProtocolError(f"{self._deployment.id} {verdict}", deployment=self._deployment.id)


def _whole(deployment: Deployment, answer: Any) -> Event:
    given = answer.model_dump(exclude_none=True)
    if not is_answer(given) or not given["choices"]:
        raise ProviderProtocolError(f"{deployment.id} gave no chat completion", deployment=deployment.id)
    if deployment.provider in _WITHOUT_COUNTS:
        given.pop("usage", None)
    body = _body(given, [_choice(choice, "message") for choice in given["choices"]])
    return Form(deployment.model).completion(orjson.dumps(body), body)


def _choice(given: Mapping[str, Any], said: str) -> dict[str, Any]:
    """A choice without private fields; ``said`` is where its words are."""
    return {**_only(given, _CHOICE), said: _only(given.get(said) or {}, _SAID), "finish_reason": given.get("finish_reason")}


def _body(given: Mapping[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    body = {**_only(given, _TOP), "choices": choices}
    if given.get("usage"):
        body["usage"] = _only(given["usage"], _USAGE)
    return body


def _only(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _error(deployment: Deployment, error: Exception, now_s: float) -> ProviderError:
    """LiteLLM's exceptions in our tree. Its classes follow OpenAI's; its own faults come as anything."""
    name = deployment.id
    kinds = {type(link).__name__ for link in _chain(error)}
    said = _said(error)
    status = getattr(error, "status_code", None)
    if "RedirectRefused" in kinds:
        return from_status(deployment, 307, None, None)
    if "ContextWindowExceededError" in kinds:
        return from_status(deployment, 400, {"code": "context_length_exceeded", "message": said}, None)
    if "Timeout" in kinds:
        within = f"{deployment.timeouts.connect_s:g} s (connect timeout)"
        connecting = kinds & {"ConnectTimeout", "ConnectionTimeoutError"}
        late = f"accept a connection within {within}" if connecting else "answer in time"
        return (ConnectTimeout if connecting else ProviderTimeout)(f"{name} did not {late}", deployment=name)
    if kinds & {"ConnectError", "ClientConnectorError"}:
        return ConnectFailed(f"{name} cannot be reached: the connection was refused or failed", deployment=name)
    unread = kinds & {"APIResponseValidationError", "JSONDecodeError"} or isinstance(_behind(error), _OWN_FAULTS)
    if unread or not isinstance(status, int):
        return ProviderProtocolError(f"{name} gave an answer that LiteLLM cannot read", deployment=name)
    return from_status(deployment, status, said, _pause_s(error, now_s))


def _said(error: Exception) -> Any:
    """The engine's own words: JSON if it was that, behind the class names that LiteLLM puts before it."""
    text = _CLASS_NAMES.sub("", str(getattr(error, "message", None) or error)).removeprefix("data: ")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _pause_s(error: Exception, now_s: float) -> float | None:
    for link in _chain(error):
        for headers in (
            getattr(link, "litellm_response_headers", None),
            getattr(getattr(link, "response", None), "headers", None),
        ):
            seconds = retry_after_s(headers or {}, now_s)
            if seconds is not None:
                return seconds
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = _behind(error)


def _behind(error: BaseException) -> BaseException | None:
    return error.__cause__ or error.__context__
