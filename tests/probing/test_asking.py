"""One prompt on its way: who is asked, as whom, and what happens when the deployment wants to be left alone."""

from __future__ import annotations

import pytest
import yaml

from waypost.config import loads
from waypost.errors import ContextTooLong, MissingCapability, ProviderRateLimited, ProviderRejected
from waypost.faults.faultd import Faultd
from waypost.ledger import MemoryLedger
from waypost.probing.asking import CALLER, Asker
from waypost.probing.planning import plan_of
from waypost.probing.prompts import ProbePrompt, ProbeSet
from waypost.router import Router

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
HELLO = ProbePrompt("hello", "g", "chat", "Say something.", "contains", "x", answer_tokens=40)
WITH_TOOL = ProbePrompt("tool", "g", "tool_calling", "Call f.", "tool_calls", [{"name": "f", "arguments": {}}], tools=(TOOL,))
LONG = ProbePrompt("long", "g", "memory", "word " * 5000, "contains", "x")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Case:
    """A router in front of faultd, whose time passes only while the asker sleeps."""

    def __init__(self, faultd: Faultd, model: str, provider: str = "hosted_vllm", **info: object) -> None:
        self.clock, self.slept, self.ledger = Clock(), list[float](), MemoryLedger()
        entry = {
            "model_name": "m",
            "litellm_params": {"model": f"{provider}/{model}", "api_base": faultd.base_url, "api_key": "sk-none"},
            "model_info": info,
        }
        config = {"model_list": [entry], "discovery": {"enabled": False}}
        self.router = Router(loads(yaml.safe_dump(config), name="test"), ledger=self.ledger, clock=self.clock)
        self.asker = Asker(self.router, self.router.view().exactly("m")[0], 4096, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now += seconds


@pytest.mark.parametrize(
    ("provider", "local", "name"),
    [("openai", False, "max_completion_tokens"), ("openai", True, "max_tokens"), ("hosted_vllm", False, "max_tokens")],
)
async def test_the_cap_has_the_name_that_its_api_knows(faultd: Faultd, provider: str, local: bool, name: str) -> None:
    case = Case(faultd, "ok", provider, waypost={"local": local})
    async with case.router:
        found = await case.asker.ask(HELLO)
    assert found.error is None
    [hit] = faultd.hits
    assert hit.body[name] == 4096
    assert "user" not in hit.body
    assert hit.body["messages"] == [{"role": "user", "content": "Say something."}]


async def test_the_ledger_says_who_asked(faultd: Faultd) -> None:
    case = Case(faultd, "ok")
    async with case.router:
        found = await case.asker.ask(HELLO)
        [row] = case.ledger.tail(5)
    assert (row["caller"], row["deployment"], row["status"], row["route"]) == (CALLER, "m", "ok", None)
    assert (found.prompt_tokens, found.cut, found.cost_usd) == (row["prompt_tokens"], False, None)


async def test_a_rate_limit_is_waited_for_and_the_prompt_is_asked_again(faultd: Faultd) -> None:
    faultd.script["limited"] = ["429-ra30", "429-ra30", "ok"]
    case = Case(faultd, "limited")
    async with case.router:
        found = await case.asker.ask(HELLO)
    assert found.error is None
    assert case.slept == [30, 30]
    assert faultd.count("limited") == 3


async def test_a_cooldown_that_another_call_began_is_waited_for(faultd: Faultd) -> None:
    faultd.script["limited"] = ["429-ra30", "ok"]
    case = Case(faultd, "limited")
    impatient = Asker(case.router, case.asker.deployment, 4096, case.sleep)
    async with case.router:
        first = await impatient._once(HELLO)
        second = await case.asker.ask(HELLO)
    assert isinstance(first.error, ProviderRateLimited)
    assert second.error is None
    assert case.slept == [pytest.approx(30, abs=1)]


@pytest.mark.parametrize(("fault", "calls", "slept"), [("429-ra3600", 1, []), ("429-ra30", 4, [30, 30, 30]), ("400", 1, [])])
async def test_it_waits_a_few_times_at_most_and_never_long(faultd: Faultd, fault: str, calls: int, slept: list[float]) -> None:
    case = Case(faultd, fault)
    async with case.router:
        found = await case.asker.ask(HELLO)
    assert isinstance(found.error, ProviderRejected if fault == "400" else ProviderRateLimited)
    assert found.passed is None
    assert (faultd.count(fault), case.slept) == (calls, slept)


async def test_an_answer_that_is_no_completion_is_a_failed_call(faultd: Faultd) -> None:
    case = Case(faultd, "empty-200")
    async with case.router:
        found = await case.asker.ask(HELLO)
    assert found.passed is None
    assert found.error is not None


def test_what_it_cannot_take_is_planned_out_with_the_reason(faultd: Faultd) -> None:
    case = Case(faultd, "ok", max_input_tokens=4000, supports_function_calling=False)
    plan = plan_of(case.asker, ProbeSet("s", (HELLO, WITH_TOOL, LONG)), {})
    assert plan.prompts == (HELLO,)
    assert list(plan.unfit) == ["tool", "long"]
    assert "its window holds 4000" in plan.unfit["long"]
    assert case.asker.cap == 2000
    for prompt, error in ((WITH_TOOL, MissingCapability), (LONG, ContextTooLong)):
        with pytest.raises(error):
            plan_of(case.asker, ProbeSet("s", (prompt,)), {})


def test_a_plan_adds_up_what_is_known(faultd: Faultd) -> None:
    prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5}
    case = Case(faultd, "ok", supports_reasoning=True, **prices)
    plan = plan_of(case.asker, ProbeSet("s", (HELLO, HELLO)), {"prompt_tokens_per_s": 100.0, "answer_tokens_per_s": 52.0})
    assert plan.answer_tokens == 2 * 1040
    assert plan.most_answer_tokens == 2 * 4096
    assert plan.cost_usd == pytest.approx(plan.prompt_tokens * 1e-6 + 2080 * 1e-5)
    assert plan.most_cost_usd == pytest.approx(plan.prompt_tokens * 1e-6 + 8192 * 1e-5)
    assert plan.seconds == pytest.approx(plan.prompt_tokens / 100 + 40)


@pytest.mark.parametrize(
    "speeds", [{}, {"answer_tokens_per_s": 52.0}, {"prompt_tokens_per_s": None, "answer_tokens_per_s": 52.0}]
)
def test_a_time_or_cost_of_which_a_part_is_unknown_is_unknown(faultd: Faultd, speeds: dict[str, float | None]) -> None:
    plan = plan_of(Case(faultd, "ok").asker, ProbeSet("s", (HELLO,)), speeds)
    assert (plan.seconds, plan.cost_usd, plan.most_cost_usd) == (None, None, None)
