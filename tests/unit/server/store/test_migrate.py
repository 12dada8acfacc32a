"""Databases are upgraded with Alembic, and one of this version is opened without it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tailwire.server.store import migrate

OPENS = """
import sys
from tailwire.server.store.migrate import upgrade
upgrade(sys.argv[1])
print("alembic" in sys.modules)
"""


def test_revisions_are_those_of_alembic_in_its_order():
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert migrate.revisions() == [script.revision for script in scripts.walk_revisions()][::-1]
    assert migrate.revisions()[-1] == scripts.get_current_head()


@pytest.mark.slow
def test_database_of_this_version_is_opened_without_alembic(tmp_path):
    def opened():
        command = [sys.executable, "-c", OPENS, f"sqlite:///{tmp_path / 'a.db'}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert [opened(), opened()] == ["True", "False"]
