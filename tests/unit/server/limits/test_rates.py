"""Request rates of a token and of the app."""

from __future__ import annotations

from tailwire.server.limits.rates import Rates, RequestKind


def rates(now: list[float], **more: int) -> Rates:
    limits = {"sends": 0, "others": 0, "core": 0, "standard": 0, **more}
    return Rates(**limits, clock=lambda: now[0])


def test_one_token_uses_at_most_a_tenth_of_the_core_rate_of_the_app():
    now = [0.0]
    limits = rates(now, core=600)
    taken = 0
    for n in range(600):  # ten requests a second for a minute
        now[0] = n / 10
        taken += not limits.count_request(RequestKind.CORE, "greedy").wait
    assert 60 <= taken <= 60 + 15  # a tenth, plus the burst
    assert "core_per_minute" in limits.count_request(RequestKind.CORE, "greedy").setting
    assert not any(limits.count_request(RequestKind.CORE, "").wait for _ in range(500))  # logins with an API key


def test_api_key_may_use_the_whole_core_rate_of_the_app():
    limits = rates([0.0], core=600)
    assert not any(limits.count_request(RequestKind.CORE, "key", key=True).wait for _ in range(600))
    assert limits.count_request(RequestKind.CORE, "key", key=True).wait


def test_request_that_counts_as_several_uses_the_limits_of_sends_and_of_standard_requests():
    now = [0.0]
    limits = rates(now, sends=400, standard=1000)
    assert limits.count_request(RequestKind.SEND, "alice", count=60)[:2] == (100, 40)
    assert limits.count_request(RequestKind.SEND, "alice", count=60).wait > 0
    assert limits.count_request(RequestKind.SEND, "bob", count=100).remaining == 0
    assert limits.count_request(RequestKind.OTHER, "").remaining == 1000 - 60 - 100 - 1


def test_one_token_uses_at_most_a_tenth_of_the_core_rate_at_four_servers_together():
    now = [0.0]
    servers = [rates(now, core=600) for _ in range(4)]
    for limits in servers:
        limits.divide(4)
    taken = 0
    for n in range(600):  # ten requests a second for a minute at each of four servers
        now[0] = n / 10
        taken += sum(not limits.count_request(RequestKind.CORE, "greedy").wait for limits in servers)
    assert 60 <= taken <= 60 + 15 + 4  # as at one server; each may round its burst up by one
