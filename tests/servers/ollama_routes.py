"""The routes of an Ollama for tests."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web

from servers import ollama_openai as openai
from servers.ollama_llamacpp import LlamaCppRun
from servers.ollama_models import Body, OllamaError, OllamaModel, full
from servers.ollama_options import KNOWN, keep_alive_s, load_options, merged
from servers.ollama_replies import Reply, Request, rfc3339
from servers.ollama_runs import TOO_LONG, Run, count, read_prompt, whole
from servers.ollama_scheduler import Instance

if TYPE_CHECKING:
    from servers.ollama_server import Ollama

Handle = Callable[[Body, "Reply"], Awaitable[None]]


class Routes:
    """Every route, over one server."""

    def __init__(self, ollama: Ollama) -> None:
        self._ollama = ollama
        self._posts: dict[str, Handle] = {
            "/api/chat": self._chat,
            "/api/generate": self._generate,
            "/api/embed": self._embed,
            "/api/embeddings": self._embeddings,
            "/api/show": self._show,
            "/api/pull": self._pull,
            "/v1/chat/completions": self._completions,
            "/v1/embeddings": self._openai_embeddings,
        }
        self._gets: dict[str, Callable[[], Any]] = {
            "/": lambda: "Ollama is running",
            "/api/version": lambda: {"version": ollama.settings.version},
            "/api/tags": lambda: {"models": [self._row(model) for model in ollama.library.values()]},
            "/api/ps": lambda: {"models": [self._running(instance) for instance in ollama.scheduler.instances()]},
            "/v1/models": self._openai_models,
        }

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=1024**3)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        headers = {name.lower(): value for name, value in request.headers.items()}
        note = Request(request.method, request.path, headers, body, self._ollama.clock.now_s())
        reply = Reply(request, note)
        async with self._ollama.noted(note):
            try:
                await self._answer(request, raw, body, reply)
            except OllamaError as error:
                await self._fail(reply, error)
            except (asyncio.CancelledError, ConnectionError):
                note.aborted = True
                note.status = note.status or 499
                raise
        assert reply.response is not None
        return reply.response

    async def _fail(self, reply: Reply, error: OllamaError) -> None:
        sse = reply.note.path.startswith("/v1/")
        said = openai.error(error.status, error.text) if sse else {"error": error.text}
        if reply.response is None:
            reply.whole(error.status, said)
        else:
            await reply.line(said, sse=sse)

    async def _answer(self, request: web.Request, raw: bytes, body: Any, reply: Reply) -> None:
        path = request.path
        if path not in self._posts and path not in self._gets:
            reply.text(404, "404 page not found")
        elif path in self._gets and request.method in ("GET", "HEAD"):
            found = self._gets[path]()
            reply.text(200, found) if isinstance(found, str) else reply.whole(200, found)
        elif path in self._posts and request.method == "POST":
            if not raw:
                raise OllamaError(400, "missing request body")
            if not isinstance(body, Mapping):
                raise OllamaError(400, "unexpected EOF" if isinstance(body, bytes) else "json: cannot unmarshal value")
            await self._posts[path](body, reply)
        else:
            reply.text(405, "405 method not allowed")

    def _model(self, body: Body) -> OllamaModel:
        name = body.get("model") or body.get("name")
        if not isinstance(name, str) or not name:
            raise OllamaError(400, "model is required")
        found = self._ollama.library.get(full(name))
        if found is None:
            raise OllamaError(404, f"model '{name}' not found")
        return found

    async def _instance(self, model: OllamaModel, body: Body) -> tuple[Instance, dict[str, Any]]:
        options = merged(model, body)
        self._ollama.unknown_options.update(name for name in body.get("options") or () if name not in KNOWN)
        wanted = load_options(model, self._ollama.settings, options, body.get("shift") is not False)
        return await self._ollama.scheduler.acquire(model, wanted, keep_alive_s(body.get("keep_alive"))), options

    async def _begin(self, model: OllamaModel, messages: list[Body], body: Body) -> Run:
        """An instance that has read the prompt. Raises `OllamaError`."""
        think = body.get("think")
        if think and not model.can("thinking"):
            raise OllamaError(400, f'"{body["model"]}" does not support thinking')
        if body.get("tools") and not model.can("tools"):
            raise OllamaError(400, f"registry.ollama.ai/library/{model.full_name} does not support tools")
        if not model.can("completion"):
            raise OllamaError(400, f'"{body["model"]}" does not support chat')
        if not 0 <= (body.get("top_logprobs") or 0) <= 20:
            raise OllamaError(400, "top_logprobs must be between 0 and 20")
        clock, asked_s = self._ollama.clock, self._ollama.clock.now_s()
        instance, options = await self._instance(model, body)
        try:
            window, truncate = int(instance.options.num_ctx or 0), body.get("truncate") is not False
            prompt = read_prompt(model, messages, body.get("tools"), window, truncate=truncate)
        except OllamaError:
            self._ollama.scheduler.release(instance)
            raise
        thinks = model.can("thinking") and think is not False
        kind = Run if model.runner is None else LlamaCppRun
        run = kind(model, instance, prompt, body, options, thinks, asked_s, clock.now_s())
        self._ollama.runs.append(run)
        return run

    async def _pieces(self, run: Run) -> AsyncGenerator[dict[str, Any], None]:
        """What a run says. The instance is free again before the last line is sent, so that a client finds it so."""
        try:
            async with aclosing(run.pieces(self._ollama.clock)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._ollama.scheduler.release(run.instance)

    def _head(self, body: Body) -> dict[str, Any]:
        return {"model": body["model"], "created_at": rfc3339(self._ollama.clock.wall())}

    async def _chat(self, body: Body, reply: Reply) -> None:
        model, messages = self._model(body), body.get("messages") or []
        if not isinstance(messages, list):
            raise OllamaError(
                400, "json: cannot unmarshal object into Go struct field ChatRequest.messages of type []api.Message"
            )
        nothing = {"message": {"role": "assistant", "content": ""}}
        if not messages:
            await self._load_only(model, body, reply, nothing)
            return
        run = await self._begin(model, messages, body)
        await self._say(run, body, reply, lambda piece: {"message": {"role": "assistant", **piece}}, {})

    async def _generate(self, body: Body, reply: Reply) -> None:
        model, prompt, system = self._model(body), body.get("prompt"), body.get("system")
        if not prompt:
            await self._load_only(model, body, reply, {"response": ""})
            return
        said = [{"role": "system", "content": system}] if system else []
        user = {"role": "user", "content": prompt, "images": body.get("images") or []}
        run = await self._begin(model, [*said, user], body)

        def shape(piece: Mapping[str, Any]) -> dict[str, Any]:
            return {"response": piece["content"], **{name: piece[name] for name in ("thinking",) if name in piece}}

        await self._say(run, body, reply, shape, {"context": [1, 2, 3]})

    async def _load_only(self, model: OllamaModel, body: Body, reply: Reply, nothing: Mapping[str, Any]) -> None:
        """No prompt: the model is loaded, or thrown out where it shall not stay."""
        if keep_alive_s(body.get("keep_alive")) == 0:
            self._ollama.scheduler.expire(model)
            reason = "unload"
        else:
            instance, _ = await self._instance(model, body)
            self._ollama.scheduler.release(instance)
            reason = "load"
        reply.whole(200, {**self._head(body), **nothing, "done": True, "done_reason": reason})

    async def _say(
        self, run: Run, body: Body, reply: Reply, shape: Callable[[Mapping[str, Any]], dict[str, Any]], last: Mapping[str, Any]
    ) -> None:
        stream, said = body.get("stream") is not False, []
        async with aclosing(self._pieces(run)) as pieces:
            async for piece in pieces:
                said.append(piece)
                if stream:
                    await reply.line({**self._head(body), **shape(piece), "done": False})
        end = shape({"content": ""} if stream else whole(said))
        done = {**self._head(body), **end, "done": True, "done_reason": run.done_reason, **last, **run.metrics()}
        if stream:
            await reply.line(done)
        else:
            reply.whole(200, done)

    async def _completions(self, body: Body, reply: Reply) -> None:
        model, request = self._model(body), openai.native(body)
        run = await self._begin(model, request["messages"], request)
        created, name, stream, said = int(self._ollama.clock.wall().timestamp()), body["model"], request["stream"], []
        async with aclosing(self._pieces(run)) as pieces:
            async for piece in pieces:
                said.append(piece)
                if stream:
                    await reply.line(openai.chunk(name, created, piece), sse=True)
        finish = "tool_calls" if run.calls else str(run.done_reason)
        if not stream:
            return reply.whole(200, openai.completion(name, created, whole(said), finish, run.metrics()))
        await reply.line(openai.chunk(name, created, {"content": ""}, finish), sse=True)
        if (body.get("stream_options") or {}).get("include_usage"):
            await reply.line(openai.usage_chunk(name, created, run.metrics()), sse=True)
        await reply.line("[DONE]", sse=True)
        return None

    async def _vectors(self, body: Body, texts: list[str]) -> tuple[list[list[float]], int, int]:
        """A vector for each text, the tokens read, and the nanoseconds that the load took."""
        model, clock = self._model(body), self._ollama.clock
        asked_s = clock.now_s()
        instance, _ = await self._instance(model, body)
        load_ns = max(1, round((clock.now_s() - asked_s) * 1e9))
        try:
            window, read = int(instance.options.num_ctx or 0), [count(model, text) for text in texts]
            if max(read, default=0) > window and body.get("truncate") is False:
                raise OllamaError(400, TOO_LONG)
            tokens = sum(min(window, each) for each in read)
            await clock.sleep(tokens / model.prompt_tokens_per_s * instance.slowdown())
        finally:
            self._ollama.scheduler.release(instance)
        return [_vector(text, model.embedding_size) for text in texts], tokens, load_ns

    async def _embed(self, body: Body, reply: Reply) -> None:
        given = body.get("input", [])
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise OllamaError(400, "invalid input type")
        texts = [text for text in texts if text] if isinstance(given, str) else texts
        vectors, tokens, load_ns = await self._vectors(body, texts)
        said: dict[str, Any] = {"model": body["model"], "embeddings": vectors}
        if vectors:
            said |= {"total_duration": load_ns + 1, "load_duration": load_ns, "prompt_eval_count": tokens}
        reply.whole(200, said)

    async def _embeddings(self, body: Body, reply: Reply) -> None:
        vectors, _, _ = await self._vectors(body, [str(body.get("prompt") or "")])
        reply.whole(200, {"embedding": vectors[0] if body.get("prompt") else []})

    async def _openai_embeddings(self, body: Body, reply: Reply) -> None:
        given = body.get("input")
        if not given:
            raise OllamaError(400, "invalid input")
        vectors, tokens, _ = await self._vectors(body, [given] if isinstance(given, str) else list(given))
        rows = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        counts = {"prompt_tokens": tokens, "total_tokens": tokens}
        reply.whole(200, {"object": "list", "data": rows, "model": body["model"], "usage": counts})

    async def _show(self, body: Body, reply: Reply) -> None:
        model = self._model(body)
        info = {
            "general.architecture": model.family,
            "general.parameter_count": model.parameter_count,
            f"{model.family}.context_length": model.trained_tokens,
            f"{model.family}.embedding_length": 4096,
            f"{model.family}.block_count": model.layers,
        }
        lines = [
            f"{name:<30} {json.dumps(each)}"
            for name, value in model.parameters.items()
            for each in (value if isinstance(value, list | tuple) else [value])
        ]
        reply.whole(
            200,
            {
                "modelfile": f"FROM {model.path}",
                "parameters": "\n".join(lines),
                "template": "{{ .Prompt }}",
                "details": self._details(model),
                "model_info": info,
                "capabilities": list(model.capabilities),
                "modified_at": rfc3339(self._ollama.clock.wall(0)),
            },
        )

    async def _pull(self, body: Body, reply: Reply) -> None:
        name = body.get("model") or body.get("name")
        if not name:
            raise OllamaError(400, "model is required")
        known = full(name) in self._ollama.library
        if body.get("stream") is False:
            if not known:
                raise OllamaError(500, "pull model manifest: file does not exist")
            return reply.whole(200, {"status": "success"})
        await reply.line({"status": "pulling manifest"})
        await reply.line({"status": "success"} if known else {"error": "pull model manifest: file does not exist"})
        return None

    def _details(self, model: OllamaModel) -> dict[str, Any]:
        of_family = {"family": model.family, "families": [model.family]}
        size = {"parameter_size": model.parameter_size, "quantization_level": model.quantization}
        return {"parent_model": "", "format": "gguf", **of_family, **size}

    def _row(self, model: OllamaModel) -> dict[str, Any]:
        named = {"name": model.full_name, "model": model.full_name, "modified_at": rfc3339(self._ollama.clock.wall(0))}
        file = {"size": model.file_bytes, "digest": model.digest, "details": self._details(model)}
        return {**named, **file, "capabilities": list(model.capabilities)}

    def _running(self, instance: Instance) -> dict[str, Any]:
        model, clock = instance.model, self._ollama.clock
        # While in use it has no end yet: Ollama shows the one it would get now.
        left_s = min(instance.keep_alive_s, 3e9)
        ends_s = clock.now_s() + left_s if instance.expires_s is None else instance.expires_s
        named = {"name": model.full_name, "model": model.full_name, "size": instance.size_bytes, "digest": model.digest}
        memory = {"size_vram": instance.gpu_bytes, "context_length": int(instance.options.num_ctx or 0)}
        return {**named, "details": self._details(model), "expires_at": rfc3339(clock.wall(ends_s)), **memory}

    def _openai_models(self) -> dict[str, Any]:
        made = int(self._ollama.clock.wall(0).timestamp())
        rows = [{"id": name, "object": "model", "created": made, "owned_by": "library"} for name in self._ollama.library]
        return {"object": "list", "data": rows}


def _vector(text: str, size: int) -> list[float]:
    """Numbers that are the same for the same text, and of length 1."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:size]]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]
