"""Rules of the project: public names, docstrings, error codes, the version, the layout of tests."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import spec_coverage
import tailwire

ROOT = Path(__file__).parents[2]


def test_every_sentence_of_the_specification_has_a_test():
    assert spec_coverage.main() == 0


def test_importing_the_package_loads_neither_its_modules_nor_other_packages():
    heavy = "('tailwire.', 'asyncio', 'httpx2', 'websockets')"
    code = f"import sys, tailwire; print([m for m in sys.modules if m.startswith({heavy})])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_public_name_exists_and_is_documented():
    for name in tailwire.__all__:
        value = getattr(tailwire, name)
        if isinstance(value, type) or inspect.isfunction(value):
            assert value.__doc__, name
    assert dir(tailwire) == sorted(tailwire.__all__)
    with pytest.raises(AttributeError):
        _ = tailwire.nonsense


def test_every_public_method_of_the_client_is_documented():
    for face in (tailwire.ChatClient, tailwire.CometChat):
        for name in dir(face):
            if not name.startswith("_") and name != "client":
                value = next(vars(c)[name] for c in face.__mro__ if name in vars(c))
                assert getattr(value, "__doc__", None), f"{face.__name__}.{name}"


def test_version_is_written_once():
    written = [path for path in (ROOT / "src").rglob("*.py") if f'"{tailwire.__version__}"' in path.read_text("utf-8")]
    assert written == [ROOT / "src" / "tailwire" / "__init__.py"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert ROOT / project["tool"]["hatch"]["version"]["path"] == written[0]
    wheels = re.findall(r"tailwire-(.*?)-py3", (ROOT / "docs" / "apps.md").read_text("utf-8"))
    assert set(wheels) == {tailwire.__version__}


def test_every_error_code_occurs_in_the_source_outside_of_the_catalogue():
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py") if p.name != "catalogue.py")
    from tailwire.server.rules import permissions
    from tailwire.wire.catalogue import CATALOGUE

    tables = (permissions._GROUPS, permissions._MESSAGES, permissions._USERS, permissions._KEYS)
    in_tables = {code for table in tables for row in table.values() for code in row.values()}
    assert in_tables - {""} <= set(CATALOGUE)
    assert [code for code in CATALOGUE if f'"{code}"' not in source and code not in in_tables] == []


def test_names_of_test_modules_are_unique_outside_packages():
    """pytest imports them by their names alone."""
    names = [
        path.name for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts and not (path.parent / "__init__.py").exists()
    ]  # fmt: skip
    assert sorted(names) == sorted(set(names))


def test_unit_tests_mirror_the_source():
    for path in (ROOT / "tests" / "unit").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests" / "unit")
        home = ROOT / "src" / "tailwire" / folder
        assert home.is_dir(), f"{path}: there is no {home}"
        module = home / path.name.removeprefix("test_")
        there = module.exists() or module.with_suffix(".js").exists()
        assert there or folder == Path("."), f"{path}: there is no {module}"


def imported_by(tree):
    """Yield what a module imports, each name with its module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_covered(importer, package, statement):
    """Return whether the statement of a package about who may import it names a module, or a package that contains it."""
    names = set(importer.removeprefix("tailwire.").replace("cli.", "commands.cli.").split("."))
    beside = importer.startswith(f"{package.rpartition('.')[0]}.")
    if beside and re.search(r"all packages|every (other )?package|packages above it", statement):
        return True
    if importer.startswith("tailwire.sdk.") and importer.count(".") == 2:
        names.add("sdk")  # "the modules of `sdk` itself"
    return bool((names - {"server"}) & set(re.findall(r"\w+", statement)))


@pytest.mark.slow
def test_packages_name_those_that_import_them():
    trees = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in (ROOT / "src").rglob("*.py")
    }
    statements = {
        name: found[1]
        for name, tree in trees.items()
        if (found := re.search(r"Who may import it: (.*?)\nRead more", ast.get_docstring(tree) or "", re.DOTALL))
    }
    missing, packages = set(), sorted(statements, reverse=True)
    for importer, tree in trees.items():
        for name in imported_by(tree):
            package = next((p for p in packages if f"{name}.".startswith(f"{p}.")), None)
            inside = package is None or f"{importer}.".startswith(f"{package}.")
            if not inside and importer != "tailwire" and not is_covered(importer, package, statements[package]):
                missing.add(f"{package}: {importer}")
    assert not missing, "\n".join(sorted(missing))


@pytest.mark.slow
def test_server_on_sqlite_needs_no_package_of_postgresql():
    """`make demo` and `tailwire[server]` do not install them."""
    absent = "import sys; sys.modules.update(dict.fromkeys(('asyncpg', 'greenlet'), None))"
    started = "import tailwire.cli.main, tailwire.cli.serve, tailwire.cli.demo, tailwire.server.app.running"
    subprocess.run([sys.executable, "-c", f"{absent}; {started}"], check=True)
