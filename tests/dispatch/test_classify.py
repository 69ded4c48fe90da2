"""What an engine's refusal means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost import errors
from waypost.dispatch.classify import from_event, from_response
from waypost.dispatch.retry_after import retry_after_s
from waypost.dispatch.sanitise import MAX_CHARS, sentence
from waypost.fleet.deployment import Deployment
from waypost.secret import Secret

ENGINE = Deployment(
    "local/a",
    "a",
    "openai",
    "a",
    "openai",
    local=True,
    api_base="http://10.1.2.3/v1?code=in%2Bquery&v=1",
    api_key=Secret("hunter2-hunter2"),
    headers={"x-k": "topsecret", "x-auth": "Own wordsecret"},
    transport={"aws_secret_access_key": Secret("of-transport"), "aws_region_name": "today"},
)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (307, b"", errors.ProviderProtocolError),
        (400, b'{"error": "bad"}', errors.ProviderRejected),
        (400, b'{"error": {"message": "too many", "code": "context_length_exceeded"}}', errors.ProviderContextTooLong),
        (
            400,
            b'{"object": "error", "message": "This model\'s maximum context length is 8 tokens"}',
            errors.ProviderContextTooLong,
        ),
        (400, b'{"detail": "Unexpected fields"}', errors.ProviderRejected),
        (400, b'{"error": "Traceback (most recent call last):\\n  in run\\nRuntimeError: bad"}', errors.ProviderUnavailable),
        (401, b"", errors.ProviderAuthFailed),
        (402, b"", errors.ProviderAuthFailed),
        (403, b"", errors.ProviderAuthFailed),
        (404, b'{"detail": "Not Found"}', errors.ProviderProtocolError),
        (404, b'{"error": "unknown model: \'ensemble\' has no available versions"}', errors.ProviderUnavailable),
        (408, b"", errors.ProviderTimeout),
        (413, b"", errors.ProviderContextTooLong),
        (422, b'{"detail": [{"loc": ["body", "n"], "msg": "wrong"}]}', errors.ProviderRejected),
        (429, b"", errors.ProviderRateLimited),
        (500, b"Internal Server Error", errors.ProviderUnavailable),
        (500, b'{"error": {"message": "input is too large to process"}}', errors.ProviderContextTooLong),
        (501, b"", errors.ProviderProtocolError),
        (503, b"", errors.ProviderUnavailable),
        (504, b"", errors.ProviderTimeout),
        (529, b"", errors.ProviderUnavailable),
    ],
)
def test_a_status_and_a_body_give_one_error(status: int, body: bytes, kind: type[errors.ProviderError]) -> None:
    error = from_response(ENGINE, status, body)
    assert type(error) is kind
    assert (error.deployment, error.upstream_status) == ("local/a", status)
    assert error.message.startswith("local/a ")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"error": {"message": "x", "code": 429}}, errors.ProviderRateLimited),
        ({"error": {"message": "x", "type": "rate_limit_exceeded"}}, errors.ProviderRateLimited),
        ({"error": {"message": "x", "type": "overloaded_error"}}, errors.ProviderUnavailable),
        ({"error": {"message": "x", "type": "authentication_error"}}, errors.ProviderAuthFailed),
        ({"error": {"message": "x", "type": "invalid_request_error"}}, errors.ProviderRejected),
        ({"error": {"message": "x", "code": "400"}}, errors.ProviderRejected),
        ({"error": "out of memory"}, errors.ProviderUnavailable),
        ("plain words", errors.ProviderUnavailable),
    ],
)
def test_an_error_inside_a_200_is_understood(said: object, kind: type[errors.ProviderError]) -> None:
    assert type(from_event(ENGINE, said)) is kind


@pytest.mark.parametrize(
    "leak",
    [
        "hunter2-hunter2",
        "topsecret",
        "Own wordsecret",
        "wordsecret",
        "in%2Bquery",
        "in+query",
        "of-transport",
        "sk-abcdefgh123",
        "Bearer abc.def",
        "http://10.1.2.3:80/v1",
        "10.1.2.3:8000",
        "gpu-box.lan:8000",
        "/home/user/model.gguf",
    ],
)
def test_row_70_an_engines_words_never_carry_keys_addresses_or_paths(leak: str) -> None:
    said = sentence({"error": {"message": f"failed with {leak} today"}}, ENGINE)
    assert said == "failed with [hidden] today"


def test_row_70_a_list_of_faults_is_quoted_without_the_input() -> None:
    said = [{"type": "x", "loc": ["body", "messages", 0], "msg": "Field required", "input": "my private prompt"}]
    assert sentence({"detail": said}, ENGINE) == "body.messages.0: Field required"


def test_of_a_traceback_only_the_last_line_is_told() -> None:
    said = (
        "Traceback (most recent call last):\n" + '  File "/srv/model.py", line 1, in run\n' * 99 + "RuntimeError: no memory\n"
    )
    assert sentence({"error": said}, ENGINE) == "RuntimeError: no memory"


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_anything_an_engine_says_becomes_one_short_line(said: object) -> None:
    words = sentence({"error": said}, ENGINE)
    assert len(words) <= MAX_CHARS
    assert words.isprintable() or not any(c in words for c in "\r\n\x00")
    from_event(ENGINE, {"error": said})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "1"}, 1.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "3600"}, 3600.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 10.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}, 7.66),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1d2h3m4s"}, 93_784.0),
        ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "1s"}, None),
        (
            {
                **{f"x-ratelimit-remaining-{of}": "0" for of in ("requests", "tokens")},
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-reset-tokens": "9s",
            },
            9.0,
        ),
        ({"retry-after": "3", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7s"}, 3.0),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2015-10-21T07:28:00Z"}, 10.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1445412480"}, 10.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1445412480000"}, 10.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "later"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2015-10-21T07:28:00"}, None),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_row_06_every_form_of_retry_after_is_read(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, now_s=1_445_412_470.0) == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["²", "9" * 5000, "429"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "code", "status", "type", "message", "detail", "loc"]), inner, max_size=4
            )
        ),
    )
)
def test_row_16_an_error_of_any_shape_is_an_error_of_our_tree(said: Any) -> None:
    assert isinstance(from_event(ENGINE, said), errors.ProviderError)
