"""The files in `deploy`: what they name exists, and the installed programs accept them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tailwire.server.config import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
KNOWN = {f"TAILWIRE_{field.name.upper()}" for field in dataclasses.fields(Settings)}


def files() -> list[Path]:
    return sorted(path for path in DEPLOY.iterdir() if path.is_file())


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_environment_variables_in_files_of_deploy_are_settings(path: Path):
    assert not set(re.findall(r"TAILWIRE_[A-Z_]+", path.read_text(encoding="utf-8"))) - KNOWN


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def test_compose_file_starts_two_servers_that_share_their_data():
    (compose,) = documents("compose.yaml")
    servers = [service for service in compose["services"].values() if service.get("image") == "tailwire"]
    assert len(servers) == 2
    assert all("data:/data" in server["volumes"] for server in servers)
    names = {
        volume.partition(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())
    }
    assert {name for name in names if not name.startswith(".")} == set(compose["volumes"])


def test_kubernetes_probes_ask_health_checks_that_exist():
    by_kind = {document["kind"]: document for document in documents("kubernetes.yaml")}
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    probes = {name: probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")}
    assert probes == {
        "readinessProbe": "/health/ready", "livenessProbe": "/health/live", "startupProbe": "/health/live",
    }  # fmt: skip
    ports = {port["name"] for port in container["ports"]}
    assert by_kind["Service"]["spec"]["ports"][0]["targetPort"] in ports
    labels = by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert by_kind["Service"]["spec"]["selector"] == labels
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    grace = by_kind["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert float(env["TAILWIRE_DRAIN_SECONDS"]) + 30 <= grace, "the longest restart_window has room"


def test_panels_of_the_dashboard_have_names_and_do_not_overlap():
    board = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
    cells = [
        (x, y)
        for place in (p["gridPos"] for p in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24, "a row of Grafana has 24 columns"
    titles = [p["title"] for p in board["panels"]]
    assert all(titles)
    assert len(set(titles)) == len(titles)
    assert all(target["expr"] for p in board["panels"] for target in p["targets"])


@pytest.mark.parametrize("name", ["Caddyfile", "Caddyfile.cluster"])
def test_caddy_accepts_the_configuration(name: str, tmp_path: Path):
    caddy = shutil.which("caddy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if caddy is None:
        pytest.skip("caddy is not installed: make proxies installs it")
    places = {"HOME": str(tmp_path), "CHAT_HOST": "http://chat.example.com", "CHAT_SERVERS": "a:8480 b:8480"}
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / name)]
    done = subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
