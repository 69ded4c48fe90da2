"""Every way in which Waypost fails, in one tree.

The tree is split by *whose fault it is*, because that decides what happens next::

    WaypostError
    ├── CallerError            the request is wrong; a retry cannot help          4xx
    │   ├── InvalidRequest         a field has a wrong type or value               400
    │   ├── ForbiddenField         a field tries to steer address or credentials   400
    │   ├── UnknownModel           no deployment, route or alias of that name      404
    │   ├── NotFound               no such path or record                          404
    │   ├── MissingCapability      no deployment can serve what was asked          400
    │   ├── ContextTooLong         no window holds the prompt and the answer       400
    │   ├── PayloadTooLarge        the body is over the limit                      413
    │   ├── UnsupportedEncoding    the body is compressed in a way we do not take  415
    │   ├── HeadersTooLarge        the headers are over the limit                  431
    │   ├── ReceiveTimeout         the request did not arrive in time              408
    │   ├── ClientStalled          the client stopped reading its answer           499
    │   └── HostRefused            Host or Origin names another site               403
    ├── PolicyError            the request is fine, the rules forbid an answer
    │   └── PrivacyRefused         private request, and no local deployment        403
    ├── NoDeployment           nothing can be tried now: down or cooling          503
    │   └── AllBusy                every candidate has as many calls as it takes   503
    ├── ServerStopping         the server ends before the answer does             503
    ├── ProviderError          an engine failed; see its two flags
    │   ├── ConnectFailed          refused, unreachable, TLS, name                 502
    │   ├── ProviderTimeout        first byte, idle or total                       504
    │   │   └── ConnectTimeout         no connection in time                           504
    │   ├── ProviderRateLimited    429, with the cooldown it asked for             429
    │   ├── ProviderAuthFailed     401, 402, 403: our key, not the caller's        502
    │   ├── ProviderContextTooLong the engine's window is smaller than thought     400
    │   ├── ProviderCannot         the model cannot do what the request asks       400
    │   ├── ProviderRejected       another 4xx: the engine dislikes the request    400
    │   ├── ProviderUnavailable    5xx, 503 loading                                502
    │   │   └── ModelLoadFailed        the model does not fit now, or is broken        502
    │   ├── ProviderProtocolError  not what the protocol promises                  502
    │   ├── ToolCallInvalid        a tool call that does not fit the tools offered 502
    │   ├── ProviderIgnoredRequest not what the request asks for                   502
    │   └── StreamBroken           cut or failed after output was sent             502
    ├── ConfigError            the file is wrong; names file and line
    ├── ArtefactError          shipped or trained weights that cannot be used
    ├── ThinData               too few outcomes to tell what was asked
    ├── LedgerError            the ledger cannot be opened or read
    └── StartError             the server cannot start: port in use, unsafe bind

Each class carries what its handlers need: ``status`` (HTTP), ``type`` and ``code`` (closed lists, part of the API), and, for
providers, three flags: ``retry_same`` (the same deployment may succeed at once), ``fail_over`` (another one may), and
``reached`` (the request got to the engine, so that asking once more is more load).
Messages name the fix, and never hold a key, a header value, or a path of this machine.
"""

from __future__ import annotations

from typing import ClassVar


class WaypostError(Exception):
    """The root of every error that Waypost raises on purpose.

    ``message`` is safe to show to a caller. ``param`` is the path of the offending field, such as ``messages[2].content``.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "waypost_error"
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class CallerError(WaypostError):
    """The request is wrong. Sending it again changes nothing."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class InvalidRequest(CallerError):
    """A field has a wrong type or value; ``param`` says which."""

    code = "invalid_value"


class ForbiddenField(CallerError):
    """A field would choose where a request goes or with which credentials. Only the config file does that."""

    code = "forbidden_field"


class UnknownModel(CallerError):
    """No deployment, route or alias has this name; the message lists the closest."""

    status = 404
    code = "model_not_found"


class NotFound(CallerError):
    """There is no such path or record."""

    status = 404
    code = "not_found"


class MissingCapability(CallerError):
    """No deployment that the caller may use can see, call tools, or whatever the request needs."""

    code = "missing_capability"


class ContextTooLong(CallerError):
    """The prompt and the expected answer fit no window; the message holds both numbers."""

    code = "context_length_exceeded"


class PayloadTooLarge(CallerError):
    """The body is larger than ``server.max_body_bytes``."""

    status = 413
    code = "payload_too_large"


class UnsupportedEncoding(CallerError):
    """The body's ``content-encoding`` is none of gzip, deflate and zstd, or more than one."""

    status = 415
    code = "unsupported_encoding"


class HeadersTooLarge(CallerError):
    """Request line and headers are larger than 64 KiB."""

    status = 431
    code = "headers_too_large"


class ReceiveTimeout(CallerError):
    """The whole request, headers and body, did not arrive within ``server.receive_timeout_s``."""

    status = 408
    code = "receive_timeout"


class ClientStalled(CallerError):
    """The client took nothing of its answer for ``server.send_timeout_s``: the ledger tells, with nginx's word for it."""

    status = 499
    code = "client_stalled"


class HostRefused(CallerError):
    """``Host`` or ``Origin`` names a site that this server is not: a page elsewhere may be using a browser to get in."""

    status = 403
    code = "host_refused"


class PolicyError(WaypostError):
    """The rules of the config forbid an answer."""

    status = 403
    type = "policy_error"
    code = "refused_by_policy"


class PrivacyRefused(PolicyError):
    """The request is private and no local deployment can serve it. It was sent nowhere."""

    code = "privacy_refused"


class NoDeployment(WaypostError):
    """Nothing can be tried now: every candidate is down or cooling. ``retry_after_s`` says when, if known."""

    status = 503
    type = "no_deployment"
    code = "no_deployment_available"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AllBusy(NoDeployment):
    """Every candidate has as many calls under way as it takes, and none was free within ``policy.slot_wait_s``."""

    code = "all_busy"


class ServerStopping(WaypostError):
    """The server was told to stop, and waited for this answer as long as ``server.shutdown_s`` allows."""

    status = 503
    code = "server_stopping"


class ProviderError(WaypostError):
    """An engine failed. ``retry_same`` and ``fail_over`` tell the attempt loop what may help.

    ``reached``: the request got to the engine, so that asking once more adds to the load of engines.
    """

    status = 502
    type = "provider_error"
    code = "provider_failed"
    retry_same: ClassVar[bool] = False
    fail_over: ClassVar[bool] = True
    reached: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        deployment: str | None = None,
        upstream_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.deployment = deployment
        self.upstream_status = upstream_status
        self.retry_after_s = retry_after_s

    def add(self, note: str) -> None:
        """Says something more about it, at the end of the message."""
        self.message += note
        self.args = (self.message,)


class ConnectFailed(ProviderError):
    """No connection: refused, unreachable, unknown name, TLS."""

    code = "provider_unreachable"
    reached = False


class ProviderTimeout(ProviderError):
    """A deadline passed; the message says which: connect, first byte, idle or total. Or the answer came too slowly."""

    status = 504
    code = "provider_timeout"


class ConnectTimeout(ProviderTimeout):
    """The engine accepted no connection in time."""

    reached = False


class ProviderRateLimited(ProviderError):
    """The engine asks for a pause of ``retry_after_s`` seconds (``None``: it did not say)."""

    status = 429
    code = "provider_rate_limited"


class ProviderAuthFailed(ProviderError):
    """Our credentials for this engine do not work. The caller can do nothing about it."""

    code = "provider_auth_failed"


class ProviderContextTooLong(ProviderError):
    """The engine's window is too small, as it says or as its count shows; a deployment with a larger one may answer.

    ``window_tokens`` is the window that the engine turned out to have; ``None``: it did not show.
    """

    status = 400
    code = "context_length_exceeded"

    def __init__(
        self,
        message: str,
        *,
        deployment: str | None = None,
        upstream_status: int | None = None,
        retry_after_s: float | None = None,
        window_tokens: int | None = None,
    ) -> None:
        super().__init__(message, deployment=deployment, upstream_status=upstream_status, retry_after_s=retry_after_s)
        self.window_tokens = window_tokens


class ProviderCannot(ProviderError):
    """The model, or the way it is called, cannot do what the request asks: call tools, see, fetch an image by its address."""

    status = 400
    code = "provider_cannot"


class ProviderRejected(ProviderError):
    """The engine refuses this request as it is; another engine would be sent the same."""

    status = 400
    type = "invalid_request_error"
    code = "provider_rejected"
    fail_over = False


class ProviderUnavailable(ProviderError):
    """The engine answered 5xx, or is loading."""

    code = "provider_unavailable"
    retry_same = True


class ModelLoadFailed(ProviderUnavailable):
    """The engine could not load the model: it does not fit now, or its file is broken. Trying again at once changes nothing."""

    code = "model_load_failed"
    retry_same = False


class ProviderProtocolError(ProviderError):
    """The answer is not what the protocol promises: HTML, an empty body, a redirect, broken JSON."""

    code = "provider_protocol_error"


class ToolCallInvalid(ProviderError):
    """An answer whose tool calls fail their check, under ``verify: tools``. It marks an attempt; no caller ever gets it.

    The deployment is as healthy as before: what it said was wrong, not how it serves.
    """

    code = "tool_call_invalid"
    retry_same = True


class ProviderIgnoredRequest(ProviderError):
    """The engine answered, and ignored what the request asks of the answer's form; the message says which parameter."""

    code = "provider_ignored_request"


class StreamBroken(ProviderError):
    """The stream ended before its end, after output had reached the client: it cannot be repeated elsewhere."""

    code = "stream_broken"
    fail_over = False


class ConfigError(WaypostError):
    """The config is wrong. ``problems`` holds one sentence each, with ``file:line`` where it is known."""

    code = "config_error"

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ArtefactError(WaypostError):
    """Weights are missing, of another version, or do not match their card."""

    code = "artefact_error"


class ThinData(WaypostError):
    """There are too few outcomes. ``missing`` is about how many more are needed, ``None`` where no number helps."""

    code = "thin_data"

    def __init__(self, why: str, missing: int | None, *, of: str = "questions") -> None:
        more = f"it needs about {missing:,} more {of}" if missing is not None else "more of them would not help"
        super().__init__(f"{why}; {more}")
        self.missing = missing


class LedgerError(WaypostError):
    """The ledger cannot be opened, or is of a newer version than this Waypost."""

    code = "ledger_error"


class StartError(WaypostError):
    """The server cannot start; the message names the option to change."""

    code = "start_error"
