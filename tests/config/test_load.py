"""Loading a config: what it gives, and what it says is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from waypost.config import Config, load, loads
from waypost.decide.labels import TASKS
from waypost.errors import ConfigError

ONE_MODEL = """
model_list:
  - model_name: local
    litellm_params: {model: hosted_vllm/qwen, api_base: "http://127.0.0.1:8000/v1"}
"""
NOTHING: Mapping[str, str] = {}


def problems(text: str, env: Mapping[str, str] = NOTHING) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loads(text, env=env)
    return caught.value.problems


def loaded(text: str, env: Mapping[str, str] = NOTHING) -> Config:
    return loads(text, env=env)


def test_nothing_is_a_config_of_defaults_that_looks_for_engines() -> None:
    config = loaded("")
    assert config.setup.deployments == ()
    assert set(config.setup.policy.routes) == set(TASKS)
    assert (config.server.host, config.server.port) == ("127.0.0.1", 4100)
    assert config.discovery.enabled is True
    assert config.ledger.store_prompts is False
    assert config.warnings == ()


def test_a_block_whose_keys_are_all_commented_out_is_no_block() -> None:
    assert loaded("server:\nroutes:\nmodel_list:\n").server.port == 4100


def test_discovery_is_off_with_a_model_list_unless_it_is_asked_for() -> None:
    assert loaded(ONE_MODEL).discovery.enabled is False
    assert loaded(ONE_MODEL + "discovery: {enabled: true}").discovery.enabled is True


def test_every_problem_is_told_at_once_with_its_line() -> None:
    found = problems(
        ONE_MODEL
        + """
server: {hots: here}
routes:
  chat: [lokal]
  own: {candidates: [local], setings: {}}
policy:
  answer_tokens: many
"""
    )
    assert found == (
        "waypost.yaml:6: unknown key `hots`; did you mean `host`?",
        "waypost.yaml:8: the candidate `lokal` is no model of this file; did you mean `local`?",
        "waypost.yaml:9: unknown key `setings`; did you mean `settings`?",
        "waypost.yaml:11: `policy.answer_tokens`: must be a valid integer, unable to parse string as an integer",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rutes: {}", "unknown key `rutes`; did you mean `routes`?"),
        ("- a list", "a config is a mapping: write `model_list:` and the other blocks at the left margin"),
        ("just text", "a config is a mapping: write `model_list:` and the other blocks at the left margin"),
        ("server: {port: 70000}", "`server.port`: must be less than or equal to 65535"),
        ("server: {port: true}", "`server.port`: must be a number"),
        ("server: [1]", "`server` must be a mapping"),
        ("model_list: {a: b}", "`model_list` must be a list"),
        ("model_list: [{model_name: a}]", "`model_list.litellm_params` is missing"),
        ("routes: {chat: []}", "`routes.chat` must not be empty"),
        ("discovery: {targets: [{url: 'ftp://x'}]}", "`discovery.targets.url`: must be an http or https address"),
        ("include: [other.yaml]", "`include` needs a file to be relative to"),
        (
            "policy: {default_route: tool_calling}",
            "`default_route` cannot be `tool_calling`: what is not clear must not become an action",
        ),
        ("policy: {channel_routes: {voice: calm}}", "`channel_routes.voice` `calm` is no route"),
        (
            "policy: {channel_routes: {Voice: chat, voice: memory}}",
            "the channels `Voice` and `voice` are the same: case does not count",
        ),
        ("policy: {default_route: chatt}", "`default_route` `chatt` is no route; did you mean `chat`?"),
    ],
)
def test_a_mistake_is_named_in_a_sentence(text: str, problem: str) -> None:
    assert problems(text) == (f"waypost.yaml:1: {problem}",)


def test_a_block_of_litellm_is_no_misspelling_of_ours() -> None:
    config = loaded("mcp_servers: {a: 1}\nguardrails: []\n")
    assert config.warnings == ("waypost.yaml:1: the top level: Waypost does not use `mcp_servers`, `guardrails`",)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.com"])
def test_listening_beyond_loopback_must_be_allowed(host: str) -> None:
    (problem,) = problems(f"server: {{host: {host}}}")
    assert "allow_unauthenticated_lan: true" in problem
    assert loaded(f"server: {{host: {host}, allow_unauthenticated_lan: true}}").server.host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.5", "'::1'"])
def test_loopback_needs_no_leave(host: str) -> None:
    assert loaded(f"server: {{host: {host}}}")


def test_our_blocks_take_addresses_from_the_environment() -> None:
    env = {"PORT": "4200", "HOST": "127.0.0.2", "BOX": "10.0.0.9"}
    text = "server: {host: '${HOST}', port: os.environ/PORT}\ndiscovery: {targets: [{url: 'http://${BOX}:11434/'}]}"
    config = loaded(text, env)
    assert (config.server.host, config.server.port) == ("127.0.0.2", 4200)
    assert [target.url for target in config.discovery.targets] == ["http://10.0.0.9:11434"]
    assert problems("ledger: {path: '${NOT_SET}'}") == ("waypost.yaml:1: the environment variable `NOT_SET` is not set",)


def test_the_version_follows_what_takes_effect_and_not_how_it_is_written() -> None:
    plain = loaded(ONE_MODEL).version
    assert loaded("# a comment\n" + ONE_MODEL + "server: {port: 4100}\n").version == plain
    assert loaded(ONE_MODEL + "server: {port: 4101}\n").version != plain
    assert loaded(ONE_MODEL).setup.policy.version == plain


def test_included_files_add_to_lists_and_replace_the_rest(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "waypost.yaml").write_text(ONE_MODEL + "include: [more/models.yaml]\nserver: {port: 1}\n")
    (tmp_path / "more/models.yaml").write_text(
        "include: [../waypost.yaml]\n" + ONE_MODEL.replace("local", "second") + "server: {port: 2}\n"
    )
    config = load(tmp_path / "waypost.yaml", env={})
    assert [deployment.id for deployment in config.setup.deployments] == ["local", "second"]
    assert config.server.port == 2
    assert config.warnings == ("more/models.yaml:6: `server` replaces the one in waypost.yaml:6",)
    assert [path.name for path in config.files] == ["waypost.yaml", "models.yaml"]


def test_a_file_that_cannot_be_read_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    main = tmp_path / "waypost.yaml"
    (tmp_path / "a.yaml").symlink_to(tmp_path / "b.yaml")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"a: b\nc: \xff\n")
    main.write_text('include: [gone.yaml, a.yaml, bytes.yaml, "/", "nul\\0.yaml"]\n')
    with pytest.raises(ConfigError) as caught:
        load(main, env={})
    assert "waypost.yaml:1: `gone.yaml` is not a file" in caught.value.problems
    assert "bytes.yaml:2: the file is not UTF-8" in caught.value.problems
    assert len(caught.value.problems) == 5
    assert not any(str(tmp_path) in problem for problem in caught.value.problems)


def test_includes_are_bounded(tmp_path: Path) -> None:
    names = [f"{i}.yaml" for i in range(40)]
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / "waypost.yaml").write_text(f"include: {names}\n")
    with pytest.raises(ConfigError, match="more than 32 files"):
        load(tmp_path / "waypost.yaml", env={})
