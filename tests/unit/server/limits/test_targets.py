"""Addresses that the server may connect to."""

from __future__ import annotations

import socket

import pytest

from tailwire.server.limits.targets import LOOPBACK_NETWORKS, Targets

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111"]
OWN = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1",
    "2002:a00:1::", "2001:0:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address):
    assert Targets().allows(address)


@pytest.mark.parametrize("address", OWN)
def test_private_addresses_are_refused_by_default_and_allowed_by_the_value_any(address):
    assert not Targets().allows(address)
    assert Targets("any").allows(address)


@pytest.mark.parametrize("written", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1"])
def test_other_notations_of_an_address_are_refused_too(written):
    assert not Targets().allows(written)  # not a canonical address
    ((*_, (address, _)),) = socket.getaddrinfo(written, 80, socket.AF_INET, socket.SOCK_STREAM)
    assert address == "127.0.0.1"
    assert not Targets().allows(address)


def test_named_networks_are_allowed():
    targets = Targets(f"10.1.0.0/16, {LOOPBACK_NETWORKS}")
    assert [targets.allows(a) for a in ("10.1.2.3", "10.2.0.1", "127.0.0.1", "::1", "::ffff:10.1.0.1")] == [
        True, False, True, True, True,
    ]  # fmt: skip


def test_urls_with_credentials_or_private_addresses_are_refused():
    targets = Targets()
    assert targets.problem("https://hook.example.com/in") == ""
    assert targets.problem("https://8.8.8.8/in") == ""
    assert "webhook_targets" in targets.problem("http://10.0.0.1/in")
    assert "username" in targets.problem("https://u:p@hook.example.com/in")
    assert "username" in targets.problem("https://u@hook.example.com/in")
