"""The client behind proxies: only trusted proxies count, and only the part of a header that they wrote."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.server.limits.forwarded import TrustedProxies, address_of, forwarded_elements

PROXY = "10.0.0.1"


def by_list(*values: str, peer: str = PROXY, proto: str = "") -> tuple[str, str]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in values]
    headers += [(b"x-forwarded-proto", proto.encode())] if proto else []
    return TrustedProxies("10.0.0.0/8, ::1").client(peer, headers)


def by_forwarded(*values: str) -> tuple[str, str]:
    headers = [(b"forwarded", value.encode("latin-1")) for value in values]
    return TrustedProxies("10.0.0.0/8, ::1", "forwarded").client(PROXY, headers)


def test_only_addresses_in_the_list_are_trusted():
    proxies = TrustedProxies("10.0.0.0/8, ::1")
    assert proxies.trusts("10.9.9.9")
    assert proxies.trusts("::ffff:10.1.1.1")
    assert proxies.trusts("::1")
    assert not proxies.trusts("11.0.0.1")
    assert not proxies.trusts("")
    assert not proxies.trusts("no address")
    assert not TrustedProxies().trusts("127.0.0.1")


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        (["6.6.6.6, 192.0.2.1"], "192.0.2.1"),  # the client wrote the first one
        (["6.6.6.6", "192.0.2.1"], "192.0.2.1"),  # also in a separate header
        (["192.0.2.1, 10.0.0.2"], "192.0.2.1"),  # two trusted proxies
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # a client in the trusted network
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["192.0.2.1:4711"], "192.0.2.1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        ([], PROXY),
        ([""], PROXY),
        (["unknown"], PROXY),
        (["192.0.2.1, nonsense"], PROXY),
        (["192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        (["192.0.2.1:99999999"], PROXY),
        (["[192.0.2.1]"], PROXY),
        (["fe80::1%eth0"], PROXY),
    ],
)
def test_client_is_the_last_untrusted_hop(header, client):
    assert by_list(*header)[0] == client


@pytest.mark.parametrize(
    ("header", "client", "scheme"),
    [
        (["for=192.0.2.1"], "192.0.2.1", ""),
        (['For="[2001:db8:cafe::17]:4711";proto=https;by=203.0.113.43'], "2001:db8:cafe::17", "https"),
        (["for=6.6.6.6, for=192.0.2.1;proto=HTTP"], "192.0.2.1", "http"),
        (["for=192.0.2.1", "for=10.0.0.2"], "192.0.2.1", ""),
        (['for="192.0.2.1:80" ; host="a, b\\"c"'], "192.0.2.1", ""),
        (["for=_hidden"], PROXY, ""),
        (["for=unknown"], PROXY, ""),
        (["proto=https"], PROXY, "https"),
        (['for="192.0.2.1'], PROXY, ""),
        (["for"], PROXY, ""),
        (["for=192.0.2.1 for=6.6.6.6"], PROXY, ""),
        (["for=192.0.2.1;for=6.6.6.6"], PROXY, ""),
        (["for=192.0.2.1;proto=gopher"], "192.0.2.1", ""),
    ],
)
def test_client_and_scheme_are_read_from_the_forwarded_header(header, client, scheme):
    assert by_forwarded(*header) == (client, scheme)


def test_only_the_header_that_the_proxies_write_is_read():
    forged = [(b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"192.0.2.1")]
    assert TrustedProxies("10.0.0.0/8").client(PROXY, forged)[0] == "192.0.2.1"
    forged = [(b"x-forwarded-for", b"6.6.6.6"), (b"forwarded", b"for=192.0.2.1")]
    assert TrustedProxies("10.0.0.0/8", "forwarded").client(PROXY, forged)[0] == "192.0.2.1"


def test_scheme_of_the_last_hop_is_used():
    assert by_list("192.0.2.1", proto="https") == ("192.0.2.1", "https")
    assert by_list("192.0.2.1", proto="http, https") == ("192.0.2.1", "https")
    assert by_list("192.0.2.1", proto="javascript") == ("192.0.2.1", "")


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=4), st.sampled_from("lf"))
def test_any_header_yields_an_address(values, kind):
    found, scheme = (by_list if kind == "l" else by_forwarded)(*values)
    ipaddress.ip_address(found)
    assert scheme in ("", "http", "https")


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@given(st.text(st.characters(max_codepoint=255), max_size=60), addresses)
def test_client_cannot_override_its_proxy(written, client):
    expected = address_of(client)
    if not TrustedProxies("10.0.0.0/8, ::1").trusts(expected):
        assert by_list(f"{written}, {client}")[0] == expected
        assert by_list(written, client)[0] == expected


@given(st.text(st.sampled_from('for=,;"\\ []:._1a'), max_size=30))
def test_forwarded_header_that_is_invalid_at_its_end_has_no_elements(value: str):
    assert forwarded_elements("for=192.0.2.1") == [{"for": "192.0.2.1"}]
    assert forwarded_elements(f"for=192.0.2.1, {value}, for=") == []


@given(st.text(st.sampled_from('for=,;"\\ []:._1a'), max_size=30))
def test_elements_of_any_forwarded_header_have_names_and_values(value: str):
    for element in forwarded_elements(value):
        assert element
        assert all(name and word for name, word in element.items())
