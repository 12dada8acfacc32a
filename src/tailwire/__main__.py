"""`python -m tailwire`: the same as the `tailwire` command."""

from __future__ import annotations

from tailwire.cli.main import run

if __name__ == "__main__":
    run()
