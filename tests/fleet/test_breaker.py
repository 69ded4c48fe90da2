"""When a deployment is left alone, and how it comes back: one call first."""

from __future__ import annotations

import random

import pytest
from test_state import Clock, cooling, deployment

from waypost.errors import (
    ConnectFailed,
    ProviderAuthFailed,
    ProviderContextTooLong,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from waypost.fleet.slots import Admission
from waypost.fleet.state import Fleet
from waypost.secret import Secret

DOWN = ProviderUnavailable("500")
IN = Admission("a", begun=True)
PROBE = Admission("a", begun=True, probe=True, failing=True)
LATER = Admission("a", begun=False, queue=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet([deployment("a"), deployment("b")], clock=clock, rng=lambda: 0.0)


def test_row_35_an_engine_that_always_fails_is_left_at_the_third_failure_even_alone(clock: Clock) -> None:
    fleet = Fleet([deployment("a")], clock=clock, rng=lambda: 0.0)
    for _ in range(2):
        fleet.failed("a", DOWN)
        clock.now += 3600
        assert cooling(fleet) is None
    fleet.failed("a", DOWN)
    assert cooling(fleet) == 2


def test_row_35_it_is_the_ratio_that_counts_and_one_failure_in_four_is_not_enough(fleet: Fleet) -> None:
    for _ in range(100):
        for _ in range(3):
            fleet.end("a", worked=True)
        fleet.failed("a", DOWN)
    assert cooling(fleet) is None
    for _ in range(10):
        fleet.failed("a", DOWN)
    assert cooling(fleet) == 2


def test_row_35_old_successes_do_not_keep_a_dead_engine_in(fleet: Fleet, clock: Clock) -> None:
    for _ in range(20):
        fleet.end("a", worked=True)
    clock.now += 31
    for _ in range(3):
        assert cooling(fleet) is None
        fleet.failed("a", DOWN)
    assert cooling(fleet) == 2


@pytest.mark.parametrize("error", [ProviderRejected("no"), ProviderContextTooLong("too long")])
def test_row_40_what_lies_in_the_request_never_counts_and_decides_no_probe(
    fleet: Fleet, clock: Clock, error: ProviderError
) -> None:
    for _ in range(50):
        fleet.failed("a", error)
    assert cooling(fleet) is None
    fleet.failed("a", ConnectFailed("refused"))
    clock.now += 2
    assert fleet.begin("a") == PROBE
    fleet.failed("a", error)
    fleet.end("a", probe=True)
    assert fleet.begin("a") == PROBE


def test_row_05_a_cooldown_is_the_longest_that_anything_asked_for(fleet: Fleet, clock: Clock) -> None:
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=10))
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=1))
    fleet.failed("a", ProviderRateLimited("slow down"))
    fleet.failed("a", ConnectFailed("refused"))
    assert cooling(fleet) == 10
    clock.now += 9
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=5))
    assert cooling(fleet) == 5


def test_row_05_a_cooldown_does_not_end_with_an_answer_of_a_call_begun_before_it(fleet: Fleet) -> None:
    fleet.failed("a", ProviderTimeout("no first byte"))
    fleet.end("a", worked=True)
    assert cooling(fleet) == 2


def test_row_34_when_a_cooldown_ends_one_call_goes_first_and_lets_the_others_in_with_its_first_output(
    fleet: Fleet, clock: Clock
) -> None:
    fleet.failed("a", ConnectFailed("refused"))
    assert fleet.begin("a") == Admission("a", begun=False, retry_s=2)
    clock.now += 2
    assert fleet.begin("a") == PROBE
    assert fleet.view().status("a").probing
    assert [fleet.begin("a") for _ in range(200)] == [LATER] * 200
    fleet.answers("a")
    assert fleet.begin("a") == IN
    assert not fleet.view().status("a").probing


def test_row_34_a_probe_that_fails_opens_for_twice_as_long_and_an_answer_forgets_it(fleet: Fleet, clock: Clock) -> None:
    lengths = []
    fleet.failed("a", ConnectFailed("refused"))
    for _ in range(6):
        lengths.append(cooling(fleet))
        clock.now += lengths[-1] or 0
        assert fleet.begin("a") == PROBE
        fleet.failed("a", DOWN)
        fleet.end("a", probe=True)
    assert lengths == [2, 4, 8, 16, 32, 60]
    clock.now += 60
    assert fleet.begin("a") == PROBE
    fleet.end("a", probe=True, worked=True)
    fleet.failed("a", ConnectFailed("refused"))
    assert cooling(fleet) == 2


def test_row_34_a_probe_that_is_given_up_makes_the_next_call_one(fleet: Fleet, clock: Clock) -> None:
    fleet.failed("a", ConnectFailed("refused"))
    clock.now += 2
    assert fleet.begin("a") == PROBE
    fleet.end("a", probe=True)
    assert fleet.begin("a") == PROBE


def test_row_34_many_who_lost_an_engine_together_do_not_come_back_together() -> None:
    fleets = [Fleet([deployment("a")], clock=Clock(), rng=random.Random(seed).random) for seed in range(50)]
    for fleet in fleets:
        fleet.failed("a", ConnectFailed("refused"))
    lengths = {cooling(fleet) or 0 for fleet in fleets}
    assert len(lengths) == 50
    assert 2 <= min(lengths) < 2.1
    assert 2.4 < max(lengths) <= 2.5


def test_a_last_resort_is_let_in_while_it_cools_and_is_no_probe(fleet: Fleet) -> None:
    fleet.failed("a", ConnectFailed("refused"))
    assert fleet.begin("a", anyway=True) == IN._replace(failing=True)


def test_row_07_one_key_rests_alone_and_the_deployment_cools_when_all_do(clock: Clock) -> None:
    keys = (Secret("one"), Secret("two"))
    fleet = Fleet([deployment("a", api_key=keys[0], api_keys=keys)], clock=clock, rng=lambda: 0.0)
    fleet.failed("a", ProviderAuthFailed("401"), key=0)
    assert (cooling(fleet), fleet.view().status("a").resting_keys) == (None, (0,))
    clock.now += 10
    fleet.failed("a", ProviderRateLimited("slow down", retry_after_s=5), key=1)
    assert (cooling(fleet), fleet.view().status("a").resting_keys) == (5, (0, 1))
    clock.now += 5
    assert (cooling(fleet), fleet.view().status("a").resting_keys) == (None, (0,))
    clock.now += 45
    assert fleet.view().status("a").resting_keys == ()
