"""`make links` finds the links of pages that lead nowhere, with a site on this machine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

import check_links

POLL_SECONDS = 0.01


class Site(BaseHTTPRequestHandler):
    """Answers `/STATUS`; `/busy` with 503 once, `/moved` with a redirect to `/404`."""

    requests: Counter[str] = Counter()

    def do_GET(self) -> None:
        self.requests[self.path] += 1
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/404")
        elif self.path == "/busy":
            self.send_response(503 if self.requests[self.path] == 1 else 200)
        else:
            self.send_response(int(self.path[1:]))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(check_links, "PAUSE_SECONDS", 0.0)
    Site.requests.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("200", ""),
        ("403", ""),
        ("429", ""),
        ("busy", ""),
        ("404", "status 404"),
        ("500", "status 500"),
        ("moved", "status 404"),
    ],
)
def test_link_is_broken_if_it_leads_to_no_page_after_three_tries(site, path, problem):
    with httpx2.Client(follow_redirects=True, verify=False) as client:
        assert check_links.problem(client, f"{site}/{path}") == problem


def test_link_to_a_site_that_does_not_answer_is_broken(site):
    with httpx2.Client(verify=False) as client:
        assert check_links.problem(client, "http://127.0.0.1:1/")


def test_links_to_the_readers_own_machine_are_not_requested(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "[a](https://nats.io) <https://pypi.org/project/x/> [b](http://127.0.0.1:8480/chat/) [c](other.md)"
        " [d](https://chat.example.com/x) <http://localhost:8480> `https://code.dev` [e](https://examples.dev/)"
    )
    assert check_links.links([page, page]) == {
        "https://nats.io": "page.md",
        "https://pypi.org/project/x/": "page.md",
        "https://examples.dev/": "page.md",
    }
