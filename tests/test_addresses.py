"""Whose machine an address means."""

from __future__ import annotations

import pytest

from waypost.addresses import host_of, is_loopback, is_near, is_ours, root_of


@pytest.mark.parametrize(
    ("host", "loopback", "ours", "near"),
    [
        ("localhost", True, True, True),
        ("LocalHost", True, True, True),
        ("127.8.0.1", True, True, True),
        ("::1", True, True, True),
        ("0.0.0.0", False, True, True),
        ("10.1.2.3", False, True, True),
        ("fd00::1", False, True, True),
        ("ollama", False, False, True),
        ("gpu.lan", False, False, True),
        ("GPU.Local", False, False, True),
        ("gpu.example.com", False, False, False),
        ("localhost.example.com", False, False, False),
        ("8.8.8.8", False, False, False),
        ("169.254.169.254", False, False, False),
        ("::ffff:169.254.169.254", False, False, False),
        ("fe80::1", False, False, False),
        ("100.64.0.1", False, False, False),
        ("", False, False, False),
    ],
)
def test_who_is_this_machine_ours_or_near(host: str, loopback: bool, ours: bool, near: bool) -> None:
    assert (is_loopback(host), is_ours(host), is_near(host)) == (loopback, ours, near)


@pytest.mark.parametrize(
    ("url", "host"), [("http://[::1]:1/v1", "::1"), ("http://Me:pw@Here:1", "here"), ("http://[", ""), ("", "")]
)
def test_the_host_of_an_address(url: str, host: str) -> None:
    assert host_of(url) == host


def test_the_root_of_an_engine_is_what_comes_before_v1() -> None:
    roots = {root_of(f"http://a:1{end}") for end in ("", "/", "/v1", "/v1/", "/v1?x=1")}
    assert roots == {"http://a:1"}


def test_the_root_of_a_triton_is_what_comes_before_one_of_its_models() -> None:
    ends = ("/v2/models/a/generate", "/v2/models/a/infer", "/v2/models/a/versions/1/generate", "/v2/models/a/generate/")
    assert {root_of(f"http://a:1{end}") for end in ends} == {"http://a:1"}
    assert root_of("http://a:1/v2/models") == "http://a:1/v2/models"
