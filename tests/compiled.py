"""Keeps compiled modules, even where PYTHONDONTWRITEBYTECODE is set: tests start hundreds of Python processes."""

from __future__ import annotations

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
