"""The proxy for a URL."""

from __future__ import annotations

import urllib.request

import pytest

from tailwire.sdk.io import proxies
from tailwire.sdk.io.proxies import (
    ConfiguredProxies,
    Proxy,
    UnusableProxy,
    configured_proxy,
    is_excepted,
    parse_proxy,
    proxy_for,
)

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def environment(monkeypatch):
    """Set the proxy variables of the environment; unset all others."""

    def put(**variables):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    put()
    return put


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy", Proxy("http", "proxy", 80)),
        ("https://proxy", Proxy("https", "proxy", 443)),
        ("socks5://proxy", Proxy("socks5", "proxy", 1080)),
        ("http://proxy:3128/some/path?q#f", Proxy("http", "proxy", 3128)),
        ("http://user@proxy:3128", Proxy("http", "proxy", 3128, "user")),
        ("user:pass@proxy:3128", Proxy("http", "proxy", 3128, "user", "pass")),
        ("http://u%40x:p%2Fq%3A@proxy:1", Proxy("http", "proxy", 1, "u@x", "p/q:")),
        ("http://[::1]:3128", Proxy("http", "::1", 3128)),
    ],
)
def test_proxy_setting_is_parsed(text, proxy):
    assert parse_proxy(text) == proxy
    assert parse_proxy(proxy.url) == proxy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ftp://proxy:1", "'ftp' is unknown"),
        ("socks4://proxy:1", "'socks4' is unknown"),
        ("http://:3128", "names no host"),
        ("http://proxy:port", "cannot be read"),
        ("http://proxy:99999", "cannot be read"),
        ("http://[::1", "cannot be read"),
    ],
)
def test_invalid_proxy_settings_are_refused(text, says):
    with pytest.raises(UnusableProxy, match=says) as caught:
        parse_proxy(text)
    assert "socks5h" in str(caught.value)  # the message lists the schemes


def test_name_and_repr_of_a_proxy_contain_no_credentials():
    proxy = parse_proxy("http://user:secret@proxy:3128")
    assert "secret" not in proxy.name + repr(proxy)
    assert proxy.name == "http://proxy:3128"
    assert proxy.url == "http://user:secret@proxy:3128"


@pytest.mark.parametrize(
    ("url", "variables", "host"),
    [
        ("http://s/", {"http": "a", "https": "b", "all": "c"}, "a"),
        ("ws://s/", {"http": "a", "https": "b", "all": "c"}, "a"),
        ("https://s/", {"http": "a", "https": "b", "all": "c"}, "b"),
        ("wss://s/", {"http": "a", "https": "b", "all": "c"}, "b"),
        ("http://s/", {"https": "b"}, None),
        ("ws://s/", {"https": "b"}, None),
        ("wss://s/", {"http": "a"}, None),
        ("ws://s/", {"all": "c"}, "c"),
        ("wss://s/", {"all": "c"}, "c"),
        ("https://s/", {"https": "b", "no": "s"}, None),
        ("wss://s/", {"all": "c", "no": "s:443"}, None),
        ("wss://s:8443/", {"all": "c", "no": "s:443"}, "c"),
        ("wss://s./", {"all": "c", "no": "s"}, None),
        ("wss://s/", {}, None),
    ],
)
def test_scheme_of_a_url_decides_which_variable_is_used(url, variables, host):
    proxy = configured_proxy(url, ConfiguredProxies(variables))
    assert (proxy.host if proxy else None) == host


def test_system_socks_proxy_is_used():
    proxy = configured_proxy("wss://s/", ConfiguredProxies({"socks": "http://p:1080"}, of_system=True))
    assert proxy == Proxy("socks5h", "p", 1080)


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "expected"),
    [
        ("chat.example.org", 443, "*", True),
        ("chat.example.org", 443, "other, *", True),
        ("chat.example.org", 443, "chat.example.org", True),
        ("CHAT.example.org", 443, "Chat.Example.org", True),
        ("chat.example.org", 443, "example.org", True),
        ("chat.example.org", 443, ".example.org", True),
        ("chat.example.org", 443, "*.example.org", True),
        ("example.org", 443, "example.org", True),
        ("badexample.org", 443, "example.org", False),
        ("badexample.org", 443, ".example.org", False),
        ("chat.example.org", 443, "other.org,, chat.example.org:443", True),
        ("chat.example.org", 8443, "chat.example.org:443", False),
        ("127.0.0.1", 80, "127.0.0.1", True),
        ("127.0.0.1", 80, "127.0.0.1:81", False),
        ("127.0.0.1", 80, "127.0.0.0/8", True),
        ("10.1.2.3", 80, "10.1.2.3/16", True),
        ("10.1.2.3", 80, "10.2.0.0/16", False),
        ("10.1.2.3", 80, "2.3", False),
        ("name", 80, "10.0.0.0/8", False),
        ("::1", 80, "::1", True),
        ("::1", 80, "[::1]:80", True),
        ("::1", 80, "[::1]:81", False),
        ("0:0:0:0:0:0:0:1", 80, "::1", True),
        ("fd00::5", 80, "fd00::/8", True),
        ("fe00::5", 80, "fd00::/8", False),
        ("10.1.2.3", 80, "fd00::/8", False),
        ("10.1.2.3", 80, "10.0.0.0/999", False),
        ("name", 80, "", False),
        ("name", 80, " , .", False),
    ],
)
def test_no_proxy_lists_the_hosts_without_a_proxy(host, port, no_proxy, expected):
    assert is_excepted(host, port, no_proxy) is expected


@pytest.mark.parametrize("url", ["https://server/v3", "wss://server:8443/"])
async def test_app_setting_overrides_the_environment(environment, url):
    environment(ALL_PROXY="http://of-environment:1")
    assert (await proxy_for(url, None)) == Proxy("http", "of-environment", 1)
    assert (await proxy_for(url, "http://of-app:2")) == Proxy("http", "of-app", 2)
    assert (await proxy_for(url, "")) is None


async def test_proxy_variables_are_read_for_each_connection(environment):
    assert await proxy_for("wss://server/", None) is None
    environment(HTTPS_PROXY="later:1")
    assert await proxy_for("wss://server/", None) == Proxy("http", "later", 1)


async def test_unusable_proxies_are_explained(environment, monkeypatch):
    environment(HTTPS_PROXY="gopher://proxy")
    with pytest.raises(UnusableProxy, match=r"HTTPS_PROXY.*'gopher' is unknown; use "):
        await proxy_for("wss://server/", None)
    assert await proxy_for("ws://server/", None) is None  # the variable is for other schemes
    environment(ALL_PROXY="socks5://user:secret@proxy")
    monkeypatch.setattr(proxies, "SOCKS_LIBRARIES", ("no_such_library",))
    with pytest.raises(UnusableProxy, match=r"socks5://proxy:1080 needs .*pip install '\.\[socks\]' in ") as caught:
        await proxy_for("wss://server/", None)
    assert "secret" not in str(caught.value)


async def test_proxy_exceptions_of_the_system_apply_only_to_its_own_proxies(environment, monkeypatch):
    """Without variables, proxies and exceptions come from the settings of Windows or macOS."""
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "http://of-system:1"})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: host == "inside.test")
    assert await proxy_for("wss://server.test/", None) == Proxy("http", "of-system", 1)
    assert await proxy_for("wss://inside.test/", None) is None
    environment(HTTPS_PROXY="http://of-environment:1")
    assert await proxy_for("wss://inside.test/", None) == Proxy("http", "of-environment", 1)
