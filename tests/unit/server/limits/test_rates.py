"""Request rates of a token, of a user and of the app."""

from __future__ import annotations

import pytest

from tailwire.server.limits.rates import Rates, RequestKind


def rates(now: list[float], **more: int) -> Rates:
    limits = {"sends": 0, "others": 0, "core": 0, "standard": 0, **more}
    return Rates(**limits, clock=lambda: now[0])


def test_one_user_uses_at_most_a_tenth_of_the_core_rate_of_the_app():
    now = [0.0]
    limits = rates(now, core=600)
    taken = 0
    for n in range(600):  # ten requests a second for a minute
        now[0] = n / 10
        taken += not limits.count_request(RequestKind.CORE, f"t{n}", uid="greedy").wait
    assert 60 <= taken <= 60 + 15  # a tenth, plus the burst
    assert "core_per_minute" in limits.count_request(RequestKind.CORE, "t", uid="greedy").setting
    assert not any(limits.count_request(RequestKind.CORE, "").wait for _ in range(500))  # logins with an API key


def test_api_key_may_use_the_whole_core_rate_of_the_app():
    limits = rates([0.0], core=600)
    assert not any(limits.count_request(RequestKind.CORE, "key", key=True).wait for _ in range(600))
    assert limits.count_request(RequestKind.CORE, "key", key=True).wait


def test_tokens_of_one_user_use_together_at_most_a_tenth_of_the_standard_rate_of_the_app():
    now = [0.0]
    limits = rates(now, standard=6000)
    taken = 0
    for n in range(6000):  # 100 requests a second for a minute
        now[0] = n / 100
        kind = RequestKind.SEND if n % 2 else RequestKind.OTHER
        taken += not limits.count_request(kind, f"t{n % 20}", uid="greedy").wait
    assert 600 <= taken <= 600 + 150  # a tenth, plus the burst
    refused = limits.count_request(RequestKind.OTHER, "t", uid="greedy")
    assert (refused.most, refused.setting) == (150, "standard_per_minute (one user may use a tenth of it)")
    assert not limits.count_request(RequestKind.OTHER, "t", uid="alice").wait
    assert not any(limits.count_request(RequestKind.OTHER, "key", key=True).wait for _ in range(5000))


def test_request_that_counts_as_several_uses_the_limits_of_sends_and_of_standard_requests():
    now = [0.0]
    limits = rates(now, sends=400, standard=10_000)
    assert limits.count_request(RequestKind.SEND, "a", uid="alice", count=60)[:2] == (100, 40)
    assert limits.count_request(RequestKind.SEND, "a", uid="alice", count=60).wait > 0
    assert limits.count_request(RequestKind.SEND, "b", uid="bob", count=100).remaining == 0
    assert limits.count_request(RequestKind.OTHER, "b", uid="bob").remaining == 250 - 100 - 1
    assert limits.count_request(RequestKind.OTHER, "").remaining == 10_000 - 60 - 100 - 2


@pytest.mark.parametrize("kind", RequestKind)
def test_one_user_uses_at_most_a_tenth_of_the_rate_of_the_app_at_four_servers_together(kind: RequestKind):
    now = [0.0]
    servers = [rates(now, core=600, standard=600) for _ in range(4)]
    for limits in servers:
        limits.divide(4)
    taken = 0
    for n in range(600):  # ten requests a second for a minute at each of four servers
        now[0] = n / 10
        taken += sum(not limits.count_request(kind, f"t{n}", uid="greedy").wait for limits in servers)
    assert 60 <= taken <= 60 + 15 + 4  # as at one server; each may round its burst up by one
