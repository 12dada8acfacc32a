"""nginx or Caddy, with TLS, in front of a real server, as the files in `deploy` set them up."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from between import Authority
from tailwire.testing.embedded import EmbeddedServer

DEPLOY = Path(__file__).parents[1] / "deploy"
GUESSES = 10
PLAIN, V1, V2 = "", "v1", "v2"


def program(name: str) -> str:
    """Return the path of a program, or skip the test.

    It is taken from `TAILWIRE_NGINX` or `TAILWIRE_CADDY`, the virtual environment, or the system.
    """
    beside = Path(sys.executable).parent
    found = os.environ.get(f"TAILWIRE_{name.upper()}") or shutil.which(
        name, path=f"{beside}:{os.environ['PATH']}:/usr/sbin"
    )
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Front:
    """A server and a proxy in front of it.

    Args:
        folder: the folder for the files of both.
        kind: `nginx` or `caddy`.
        proxy_protocol: the version of the PROXY protocol between the two: `PLAIN` (none), `V1` or `V2`.
    """

    def __init__(self, folder: Path, kind: str, proxy_protocol: str) -> None:
        self.program = program(kind)
        self.folder, self.kind, self.proxy_protocol = folder, kind, proxy_protocol
        self.port = free_port()
        self.authority = Authority(folder)
        self.authority.server_context()
        self.certificate = str(next(folder.glob("localhost*.pem")))  # with its key
        self.server = EmbeddedServer(
            folder, trusted_proxies="127.0.0.1", wrong_tokens_per_minute=GUESSES, proxy_protocol=bool(proxy_protocol),
            host="127.0.0.1",
        )  # fmt: skip
        self.url = f"https://localhost:{self.port}"

    def start(self) -> None:
        self.server.start()
        command = self._caddy() if self.kind == "caddy" else self._nginx()
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
        }
        log = (self.folder / "proxy.log").open("wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=self.folder)
        log.close()

    def _sample(self, name: str, changes: dict[str, str]) -> str:
        text = (DEPLOY / name).read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def _caddy(self) -> list[str]:
        changes = {
            "chat.example.com {": f"https://localhost:{self.port} {{\n\ttls {self.certificate} {self.certificate}",
            "127.0.0.1:8480": f"127.0.0.1:{self.server.port}",
        }
        if self.proxy_protocol:
            changes["keepalive 60s"] = f"keepalive off\n\t\t\tproxy_protocol {self.proxy_protocol}"
        options = "{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n"
        (self.folder / "Caddyfile").write_text(options + self._sample("Caddyfile", changes))
        return [self.program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]

    def _nginx(self) -> list[str]:
        site = self._sample("nginx.conf", {
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/ssl/chat.example.com.pem": self.certificate,
            "/etc/ssl/chat.example.com.key": self.certificate,
            "127.0.0.1:8480": f"127.0.0.1:{self.server.port}",
        })  # fmt: skip
        (self.folder / "site.conf").write_text(site)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        own = "user root; " if os.geteuid() == 0 else ""  # its workers write into the test's folder
        main = f"{own}daemon off; pid {self.folder}/nginx.pid; worker_processes 1; error_log stderr;\nevents {{}}\nhttp {{\n"
        (self.folder / "nginx.conf").write_text(f"{main}access_log off;\n{paths}include {self.folder}/site.conf;\n}}\n")
        return [self.program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    @property
    def tls(self) -> ssl.SSLContext:
        return self.authority.client_context()

    def http(self, address: str) -> httpx2.AsyncClient:
        """Return a client at an address of this machine."""
        transport = httpx2.AsyncHTTPTransport(verify=self.tls, local_address=address, trust_env=False)
        return httpx2.AsyncClient(transport=transport, base_url=f"{self.url}/v3", headers={"appid": self.server.app_id})

    async def wait_ready(self) -> None:
        """Wait until the server answers through the proxy.

        Raises:
            TimeoutError: it does not do so within 20 s.
        """
        async with asyncio.timeout(20):
            while True:
                try:
                    async with self.http("127.0.0.1") as http:
                        assert (await http.get("/health")).status_code == 200
                        return
                except httpx2.TransportError:
                    assert self.process.poll() is None, (self.folder / "proxy.log").read_text()
                    await asyncio.sleep(0.05)  # it does not report when it is ready

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.server.close()
