"""Secrets come by reference, and are shown nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.cli.config import _yaml
from waypost.config import Config, effective, loads
from waypost.errors import ConfigError
from waypost.secret import Secret

KEY = "sk-Zx9-the-secret"
NOTHING: Mapping[str, str] = {}


def entry(**params: object) -> str:
    return yaml.safe_dump({"model_list": [{"model_name": "m", "litellm_params": {"model": "openai/m", **params}}]})


def everything_shown(config: Config) -> str:
    shown = effective(config)
    return f"{config!r}{config.setup.deployments!r}{json.dumps(shown)}{_yaml(shown)}{config.warnings}{config.version}"


def test_row_07_several_keys_are_references_each_once_and_shown_as_such() -> None:
    env = {"ONE": "sk-1111", "TWO": "sk-2222", "SAME": "sk-1111"}
    keys = ["os.environ/ONE", "${TWO}", "os.environ/SAME", "os.environ/NOBODY"]
    config = loads(entry(api_key=keys), env=env)
    (made,) = config.setup.deployments
    assert [key.reveal() for key in made.api_keys] == ["sk-1111", "sk-2222"]
    assert made.api_key == made.api_keys[0]
    assert effective(config)["deployments"][0]["api_key"] == ["os.environ/ONE", "${TWO}"]
    assert "sk-" not in everything_shown(config)
    assert config.warnings == ("waypost.yaml:7: the environment variable `NOBODY` is not set",)


@pytest.mark.parametrize("reference", ["os.environ/MY_KEY", "${MY_KEY}"])
def test_a_reference_is_filled_in_and_shown_as_itself(reference: str) -> None:
    config = loads(entry(api_key=reference), env={"MY_KEY": KEY})
    (deployment,) = config.setup.deployments
    assert deployment.api_key == Secret(KEY)
    assert config.warnings == ()
    assert KEY not in everything_shown(config)
    assert reference in everything_shown(config)


def test_a_variable_that_is_not_set_costs_the_key_and_is_told() -> None:
    config = loads(entry(api_key="os.environ/MY_KEY"), env={"OPENAI_API_KEY": KEY})
    assert config.setup.deployments[0].api_key is None
    assert config.warnings == ("waypost.yaml:3: the environment variable `MY_KEY` is not set",)


def test_an_address_that_is_not_set_is_never_replaced_by_another() -> None:
    config = loads(entry(api_base="os.environ/MY_BASE", api_key="os.environ/MY_KEY"), env={"MY_KEY": KEY})
    assert config.setup.deployments == ()
    assert "left out" in config.warnings[0]


def test_a_key_in_the_file_works_with_a_warning() -> None:
    config = loads(entry(api_key=KEY), env={})
    assert config.setup.deployments[0].api_key == Secret(KEY)
    assert "a key stands in the file" in config.warnings[0]
    assert KEY not in everything_shown(config)


@pytest.mark.parametrize("word", ["none", "dummy", "EMPTY", "sk-no-key-required", ""])
def test_the_words_that_local_engines_get_are_no_keys(word: str) -> None:
    assert loads(entry(api_key=word, api_base="http://127.0.0.1:8000/v1"), env={}).warnings == ()


def test_a_key_of_the_environment_goes_to_its_own_place_only() -> None:
    env = {"OPENAI_API_KEY": KEY}
    assert loads(entry(), env=env).setup.deployments[0].api_key == Secret(KEY)
    assert loads(entry(api_base="http://10.0.0.1/v1"), env=env).setup.deployments[0].api_key is None
    moved = loads(entry(), env={**env, "OPENAI_BASE_URL": "http://10.0.0.1/v1"}).setup.deployments[0]
    assert (moved.api_base, moved.api_key) == ("http://10.0.0.1/v1", Secret(KEY))


def test_a_user_and_password_in_an_address_become_a_header() -> None:
    config = loads(entry(api_base=f"http://user:{KEY}@10.0.0.1:8000/v1"), env={})
    (deployment,) = config.setup.deployments
    assert deployment.api_base == "http://10.0.0.1:8000/v1"
    assert deployment.headers["Authorization"].startswith("Basic ")
    assert KEY not in everything_shown(config)


def test_a_discovery_address_holds_no_password() -> None:
    with pytest.raises(ConfigError, match="must not hold a user"):
        loads(f"discovery: {{targets: [{{url: 'http://u:{KEY}@10.0.0.1'}}]}}", env={})


PLACES = st.sampled_from(
    [
        {"api_key": KEY},
        {"aws_secret_access_key": KEY},
        {"vertex_credentials": {"private": KEY}},
        {"client_secret": "os.environ/MY_KEY"},
        {"some_option": "os.environ/MY_KEY"},
        {"extra_headers": {"Authorization": f"Bearer {KEY}"}},
        {"extra_headers": {"X-Own": "os.environ/MY_KEY"}},
        {"extra_body": {"provider": {"api_key": KEY}}},
        {"metadata": [{"langfuse_secret": KEY}]},
        {"api_base": f"https://me:{KEY}@example.com/v1"},
        {"api_base": f"https://example.com/v1?code={KEY}"},
        {"organization": "os.environ/MY_KEY"},
        {"extra_body": {"deep": ["os.environ/MY_KEY"]}},
        {"vertex_options": [{"x": "os.environ/MY_KEY"}]},
        {"azure_ad_token": KEY, "timeout": []},
        {"api_key": [KEY]},
        {"litellm_credential_name": KEY},
    ]
)


@settings(deadline=None)
@given(model=st.sampled_from(["openai/m", "azure/m", "ollama_chat/m"]), params=PLACES, more=PLACES)
def test_a_secret_is_shown_nowhere(model: str, params: dict[str, object], more: dict[str, object]) -> None:
    text = entry(**{"model": model, **params, **more})
    text += f"\ngeneral_settings: {{master_key: {KEY}}}\nenvironment_variables: {{OTHER: {KEY}}}\n"
    try:
        shown = everything_shown(loads(text, env={"MY_KEY": KEY}))
    except ConfigError as error:
        shown = f"{error!r}{error}"
    assert KEY not in shown


def test_a_secret_does_not_change_the_version() -> None:
    first, second = (loads(entry(api_key="os.environ/K"), env={"K": key}).version for key in ("one", "two"))
    assert first == second


@pytest.mark.parametrize("text", [f"a: {{b: {KEY}", f"a: *{KEY}", f"a: !{KEY} b", f"x: '{KEY}\n", f"a: b: {KEY}"])
def test_a_file_that_is_not_yaml_is_not_quoted(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text, env={})
    assert KEY not in str(caught.value)
