"""A web server for a page with Python in it: Pyodide from npm, and wheels."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
WHEELS = FOLDER / "wheels"
NEEDED = ("httpx2", "httpx2_jsfetch", "idna")


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel, with the downloads of `make chromium` and without a network."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--find-links", str(WHEELS)]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("tailwire-*.whl"))


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def __init__(self, *args: object, wheels: dict[str, Path], **more: object) -> None:
        self._wheels = wheels
        super().__init__(*args, **more)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[0] == "pyodide":
            return str(FOLDER / "node_modules" / "pyodide" / parts[-1])
        if parts[0] == "wheels":
            return str(self._wheels[parts[-1]])
        return str(FOLDER / "page.html")

    def do_GET(self) -> None:
        if self.path == "/wheels.json":
            body = json.dumps(list(self._wheels)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class Site:
    """A web server in a thread.

    Args:
        wheels: files that the page unpacks.
    """

    def __init__(self, wheels: list[Path]) -> None:
        handler = partial(_Handler, wheels={wheel.name: wheel for wheel in wheels})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://localhost:{self._server.server_address[1]}/"

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
