"""The mutants of `make mutants`: which faults are made, and whether a test that notices one is seen to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mutants.equivalents import equivalents, stale
from mutants.mutate import mutants, mutate

ROOT = Path(__file__).parents[2]
PATH = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"
# In a process of its own, because this one has imported the module already.
TRY = """
import sys, time
from mutants.running import begin, ended
module, path, source, seconds, *tests = sys.argv[1:]
trial = begin(1, module, path, source, tests, float(seconds))
while not (how := ended(trial)):
    time.sleep(0.01)
print(how)
"""


def faults(source: str) -> list[str]:
    return [mutate(source, mutant).source for mutant in mutants(source)]


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = a and b", ["x = a or b"]),
        ("x = not a", ["x = a"]),
        ("x = 3", ["x = 4"]),
        ("x = True", ["x = False"]),
        ("x = a + b", ["x = a - b"]),
        ("x = 'a' + b", []),
        ("self.x = a", ["pass"]),
        ("x: int = a", []),
        ("raise ValueError(a)", ["pass"]),
        ("log.info(a)", []),
        ("f(a)", ["pass"]),
        ("if a:\n    b()", ["if not a:\n    b()", "if a:\n    pass"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("def f():\n    return True", ["def f():\n    return False"]),
        ("def __repr__(self):\n    return a + b", []),
        ("'text'\nx = 'text'", []),
    ],
)
def test_each_mutant_has_one_fault(source: str, changed: list[str]):
    assert faults(source) == changed


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="each mutant runs in a fork of the process")
@pytest.mark.parametrize(
    ("limit", "how"), [("LIMIT = 200", "survived"), ("LIMIT = 3", "caught"), ("while True: pass", "endless")]
)
def test_tests_see_the_source_of_the_mutant(tmp_path: Path, limit: str, how: str):
    (tmp_path / "conftest.py").write_text("import hypothesis\n\nhypothesis.settings.register_profile('fast')\n")
    test = tmp_path / "test_limit.py"
    test.write_text("from tailwire.wire.close_codes import LIMIT\n\ndef test_limit():\n    assert LIMIT == 200\n")
    arguments = ["tailwire.wire.close_codes", str(tmp_path / "close_codes.py"), limit]
    tests = [str(test), "-c", "/dev/null", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-c", TRY, *arguments, "30" if how != "endless" else "5", *tests]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True)
    assert done.stdout.strip() == how, done.stderr


@pytest.mark.slow
def test_each_equivalent_mutant_exists_and_has_a_reason():
    assert list(stale()) == []
    assert all(equivalents().values())


def test_mutant_is_described_by_its_line_scope_and_changed_statement():
    source = "class C:\n    def f(self, a):\n        if a and self.b:\n            return (1,\n                    2)\n"
    made = [(m.line, m.scope, m.before, m.after) for m in (mutate(source, mutant) for mutant in mutants(source))]
    assert made == [
        (3, "C.f", "if a and self.b:", "if a or self.b:"),
        (4, "C.f", "return (1, 2)", "return None"),
        (4, "C.f", "return (1, 2)", "return (2, 2)"),
        (5, "C.f", "return (1, 2)", "return (1, 3)"),
    ]
