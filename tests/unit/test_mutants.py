"""The mutants of `make mutants`: which faults are made, and whether a test that notices one is seen to fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mutants.constants import Constants
from mutants.equivalents import equivalents, stale
from mutants.mutate import mutants, mutate, statements
from mutants.running import Reach

ROOT = Path(__file__).parents[2]
PATH = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"
# In a process of its own, because this one has imported the module already.
TRY = """
import json, sys, time
from mutants.running import begin, ended
module, path, mutants, *tests = sys.argv[1:]
for source, seconds in json.loads(mutants).items():
    trial = begin(1, module, path, source, tests, seconds)
    while not (how := ended(trial)):
        time.sleep(0.01)
    print(how)
"""

MEASURE = """
import sys
from pathlib import Path
from mutants.running import measure
path, *tests = sys.argv[1:]
reach = measure(tests, Path(path).parent)
for line in (3, 4, 8):
    print(line, *(test.rpartition("::")[2] for test in reach.of(path, line, line)))
"""
WATCHED = """
def half(n):
    if n % 2:
        return None
    return n // 2

def twice(n):
    return 2 * n
"""
TESTS = """
import time
from watched.numbers import half, twice

def test_twice():
    assert twice(2) == 4

def test_half_of_an_odd_number():
    time.sleep(0.2)
    assert half(3) is None

def test_half():
    assert half(4) == 2
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
        ("x = 'SELECT a FROM b WHERE c < 1'", ["x = 'SELECT a FROM b WHERE c <= 1'"]),
        ("x = f'{y} AND b IS NULL'", ["x = f'{y} AND b IS NOT NULL'", "x = f'{y} OR b IS NULL'"]),
        ("x = Column('a', short(9))", []),
        ("x = 'WHERE a BETWEEN 1 AND 2'", []),
        ("x = 'SELECT max(a) FROM b ORDER BY id'", [
            "x = 'SELECT min(a) FROM b ORDER BY id'", "x = 'SELECT max(a) FROM b ORDER BY id DESC'",
        ]),
    ],
)  # fmt: skip
def test_mutants_have_one_fault(source: str, changed: list[str]):
    assert faults(source) == changed


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="each mutant runs in a fork of the process")
def test_tests_see_the_source_of_the_mutant(tmp_path: Path):
    (tmp_path / "conftest.py").write_text("import hypothesis\n\nhypothesis.settings.register_profile('fast')\n")
    test = tmp_path / "test_limit.py"
    test.write_text("from tailwire.wire.close_codes import LIMIT\n\ndef test_limit():\n    assert LIMIT == 200\n")
    seconds = {"LIMIT = 200": 30, "LIMIT = 3": 30, "while True: pass": 2}
    arguments = ["tailwire.wire.close_codes", str(tmp_path / "close_codes.py"), json.dumps(seconds)]
    tests = [str(test), "-c", "/dev/null", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", TRY, *arguments, *tests],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["survived", "caught", "endless"], done.stderr


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


def test_mutant_within_sql_is_described_by_the_words_around_it():
    text = "SELECT a FROM b WHERE c = 1" + " AND d = 2" * 9
    source = f"def f():\n    return '{text}'"
    first, *_, last = [mutate(source, mutant) for mutant in mutants(source)]
    assert (first.after, first.in_sql, last.in_sql) == ("return None", False, True)
    assert last.before == "AND d = 2 AND d = 2 AND d = 2 AND d = 2 AND d = 2"
    assert last.after == "AND d = 2 AND d = 2 AND d = 2 AND d = 2 OR d = 2"
    assert [(mutant, "f", mutate(source, mutant).before) for mutant in mutants(source)] == statements(source)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = 3", (0, 0)),  # runs at import
        ("class C:\n    x = 3", (0, 0)),
        ("def f(a):\n    return a", (2, 2)),
        ("def f(a):\n    g(a,\n      2)", (2, 3)),
        ("def f(a):\n    if (a and\n            b):\n        c = d", (2, 3)),
        ("def f(a):\n    for _ in range(3):\n        c = d", (2, 2)),
        ("def f(a):\n    match a:\n        case 3:\n            c = d", (3, 3)),
    ],
)
def test_lines_of_a_mutant_are_those_of_its_statement_without_the_statements_in_it(source: str, lines: tuple[int, int]):
    first, *_ = [mutate(source, mutant) for mutant in mutants(source)]
    assert (first.first, first.last) == lines


def test_mutant_is_tried_with_the_tests_that_execute_it_the_quickest_first():
    reach = Reach({"slow": 3.0, "quick": 0.1, "other": 0.2}, {"a.py": {5: ["slow", ""], 6: ["quick"], 9: ["other"]}})
    assert reach.of("a.py", 5, 6) == ["quick", "slow"]
    assert reach.of("a.py", 7, 8) == []
    assert reach.of("a.py", 0, 0) == ["quick", "other", "slow"]
    assert reach.of("b.py", 5, 5) == []
    assert reach.of("b.py", 0, 0, [("a.py", 9)]) == ["other", "quick", "slow"]


def test_users_of_a_constant_include_those_of_constants_made_from_it(tmp_path: Path):
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text(
        "_A = 'x'\nB = f'{_A}'\nC = f(1)\ndef f(n):\n    return _A\ndef g(n=B):\n    return n\ndef h():\n    return 1\n"
    )
    other.write_text("_A = 'y'\ndef a():\n    return _A\ndef b():\n    return one.C\ndef c():\n    return g()\n")
    constants = Constants(tmp_path)

    def users(line: int) -> list[tuple[str, int]]:
        found = constants.users(constants.at(str(one), line))
        return sorted((Path(path).name, line) for path, line in found)

    assert users(1) == [("one.py", 5), ("other.py", 5), ("other.py", 7)]
    assert users(2) == [("other.py", 7)]
    assert users(3) == [("other.py", 5)]
    assert users(9) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the tests run in a fork of the process")
def test_run_without_a_fault_records_which_test_executes_which_line(tmp_path: Path):
    (tmp_path / "conftest.py").write_text("import hypothesis\n\nhypothesis.settings.register_profile('fast')\n")
    code = tmp_path / "watched" / "numbers.py"
    code.parent.mkdir()
    code.write_text(WATCHED)
    test = tmp_path / "test_numbers.py"
    test.write_text(TESTS)
    options = [str(test), "-c", "/dev/null", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-c", MEASURE, str(code), *options]
    environment = {**os.environ, "PYTHONPATH": f"{PATH}{os.pathsep}{tmp_path}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-3:] == [
        "3 test_half test_half_of_an_odd_number",
        "4 test_half_of_an_odd_number",
        "8 test_twice",
    ], done.stderr
