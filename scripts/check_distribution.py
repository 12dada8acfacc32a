"""Check what `make build` made: the wheel can be installed and imported, reports its version, and has all files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def missing(wheel: Path) -> list[str]:
    """Return the files of the package that are not in the wheel."""
    source = ROOT / "src"
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = [f for f in (source / "tailwire").rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    return sorted(name for f in files if (name := f.relative_to(source).as_posix()) not in packed)


def version_of(wheel: Path) -> str:
    """Return the version that the wheel reports when it is installed without its dependencies."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        command = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
        subprocess.run([python, *command], check=True)
        code = "import tailwire; print(tailwire.__version__)"
        return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Check the only wheel in dist/, and return the exit code."""
    import tailwire

    (wheel,) = (ROOT / "dist").glob("*.whl")
    (source,) = (ROOT / "dist").glob("*.tar.gz")
    lacking, version = missing(wheel), version_of(wheel)
    for name in lacking:
        print(f"{wheel.name} lacks {name}")
    if version != tailwire.__version__:
        print(f"{wheel.name} reports version {version}, but the source has {tailwire.__version__}")
    if lacking or version != tailwire.__version__:
        return 1
    print(f"{wheel.name}, {source.name}: version {version}, {len(zipfile.ZipFile(wheel).namelist())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
