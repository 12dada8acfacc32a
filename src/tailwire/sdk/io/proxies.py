"""Choose the proxy for a URL, for HTTP and WebSocket alike. Imports no network library."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import quote, unquote, urlsplit

from tailwire.extras import how_to_install
from tailwire.sdk.io.addresses import host_and_port

DEFAULT_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
SOCKS_LIBRARIES = ("socksio", "python_socks")
_VARIABLE_NAMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_DEFAULT_PORT = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class UnusableProxy(ValueError):
    """A proxy cannot be used. The message says what to correct or to install."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The address of a proxy.

    Attributes:
        scheme: `http`, `https`, `socks5` or `socks5h`.
        username, password: the credentials, decoded; "" without any.
    """

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def socks(self) -> bool:
        """Whether the proxy speaks SOCKS5."""
        return self.scheme.startswith("socks")

    @property
    def name(self) -> str:
        """The address without the credentials, for messages."""
        return f"{self.scheme}://{host_and_port(self.host, self.port)}"

    @property
    def url(self) -> str:
        """The address with the credentials, percent-encoded."""
        if not self.username and not self.password:
            return self.name
        credentials = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return f"{self.scheme}://{credentials}@{host_and_port(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class ConfiguredProxies:
    """The proxies of the environment variables, or of the system's settings if no variable is set.

    Attributes:
        proxies: the values of the variables, by name without `_proxy`: `http`, `https` and `all` are addresses of
            proxies, `no` is the list of hosts that are reached without one. Some systems add `socks`.
        of_system: whether they are the system's settings, whose own list of excepted hosts `proxy_for` consults.
    """

    proxies: Mapping[str, str]
    of_system: bool = False


def parse_proxy(text: str) -> Proxy:
    """Parse an address such as `http://user:password@host:port` or `host:port`.

    Raises:
        UnusableProxy: if the text is not the address of a proxy.
    """
    example = "use [http|https|socks5|socks5h://][user:password@]host[:port]"
    try:
        parts = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
        scheme = {"socks": "socks5h"}.get(parts.scheme, parts.scheme)
        port = parts.port
    except ValueError as e:
        # The text of `e` may contain a password.
        raise UnusableProxy(f"the proxy's address cannot be read; {example}{_ENCODE_TEXT}") from e
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise UnusableProxy(f"the proxy's address cannot be read; {example}{_ENCODE_TEXT}")
    if scheme not in DEFAULT_PROXY_PORTS:
        raise UnusableProxy(f"the proxy's scheme {scheme!r} is unknown; {example}")
    if not parts.hostname:
        raise UnusableProxy(f"the proxy's address names no host; {example}")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(scheme, parts.hostname, DEFAULT_PROXY_PORTS[scheme] if port is None else port, username, password)


_ENCODE_TEXT = "; percent-encode special characters of the password, such as / ? #"


def check_library(proxy: Proxy) -> None:
    """Raise unless the libraries that this kind of proxy needs are installed.

    Raises:
        UnusableProxy: if one is missing; the message says what to install.
    """
    if proxy.socks and any(find_spec(library) is None for library in SOCKS_LIBRARIES):
        raise UnusableProxy(f"the proxy {proxy.name} needs SOCKS support: {how_to_install('socks')}")


def read_configured_proxies() -> ConfiguredProxies:
    """Return the proxies of the environment variables, or of the system's settings if no variable is set."""
    from urllib.request import getproxies, getproxies_environment

    of_environment = getproxies_environment()
    if of_environment:
        return ConfiguredProxies(of_environment)
    return ConfiguredProxies(getproxies(), of_system=True)


async def proxy_for(url: str, setting: str | None) -> Proxy | None:
    """Return the proxy for a URL at this time, or None for a direct connection.

    Args:
        url: the URL, with the scheme `http`, `https`, `ws` or `wss`.
        setting: the address of the proxy that the app has set; "" for no proxy; None for that of the environment or
            the system.

    Raises:
        UnusableProxy: if the proxy cannot be used.
    """
    if setting is not None:
        proxy = parse_proxy(setting) if setting else None
    else:
        configured = read_configured_proxies()
        proxy = configured_proxy(url, configured)
        if proxy is not None and configured.of_system and await _is_excepted_by_system(url):
            proxy = None
    if proxy is not None:
        check_library(proxy)
    return proxy


def configured_proxy(url: str, configured: ConfiguredProxies) -> Proxy | None:
    """Return the proxy that the environment or the system names for a URL, or None for a direct connection.

    Raises:
        UnusableProxy: if its address is invalid.
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or _DEFAULT_PORT[parts.scheme]
    variable = _VARIABLE_NAMES[parts.scheme]
    # A system's settings name their SOCKS proxy "socks", on macOS with the scheme http://.
    for name in (variable, "all", "socks") if configured.of_system else (variable, "all"):
        text = configured.proxies.get(name, "").strip()
        if not text:
            continue
        if is_excepted(host, port, configured.proxies.get("no", "")):
            return None
        try:
            return parse_proxy(f"socks5h://{text.rpartition('://')[2]}" if name == "socks" else text)
        except UnusableProxy as e:
            where = "the system's settings" if configured.of_system else f"{name.upper()}_PROXY"
            raise UnusableProxy(f"{where}: {e}") from e
    return None


def is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Return whether an entry of `NO_PROXY` covers a host and port, so that it is reached without a proxy.

    Args:
        no_proxy: entries separated by commas or spaces: `*`, a host name, a domain suffix, an IP address or a network,
            each with or without a port.
    """
    return any(_covers(entry, host.lower(), port) for entry in re.split(r"[,\s]+", no_proxy) if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    entry = entry.rpartition("://")[2].lower()
    address = _parse_address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            return False
    name, wanted = entry, ""
    if entry.startswith("["):
        name, _, wanted = entry[1:].partition("]")
    elif entry.count(":") == 1:
        name, _, wanted = entry.partition(":")
    if wanted.strip(":") not in ("", str(port)):
        return False
    if address is not None:
        return _parse_address(name) == address
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


async def _is_excepted_by_system(url: str) -> bool:
    from urllib.request import proxy_bypass

    # In a thread, because on Windows and macOS it may resolve names.
    host = urlsplit(url).hostname or ""
    return bool(await asyncio.to_thread(proxy_bypass, host))
