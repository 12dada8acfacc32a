"""`python -m tailwire`: the same as the `tailwire` command."""

from __future__ import annotations

import sys

from tailwire.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
