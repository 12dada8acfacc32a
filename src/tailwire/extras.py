"""How to install the packages of an extra, for the errors that name a missing one.

It is the only place that has to change when there is a package to download.
"""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra of this package, and the folder in which to run it.

    Args:
        extra: the name of the extra in `pyproject.toml`, such as `postgres`.
    """
    return f"pip install '.[{extra}]' in the folder of Tailwire's repository"
