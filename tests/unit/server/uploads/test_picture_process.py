"""Pictures are decoded in a child process. It may crash, hang, starve or run out of memory; the server continues."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tailwire.server.ports.uploads import Picture
from tailwire.server.uploads import part_files
from tailwire.server.uploads.part_files import PartFile, PartFolder
from tailwire.server.uploads.picture_process import PictureProcess

pytestmark = pytest.mark.slow  # starts processes
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HANGING = """
import sys, time
sys.stdin.buffer.raw.read(1)
while True:
    time.sleep(60)
"""
# The real child, with something that a test needs.
CHANGED = """
from tailwire.server.uploads import picture_child, thumbnails
{}
picture_child.main()
"""


@pytest.fixture
def picture(tmp_path):
    out = io.BytesIO()
    Image.new("RGB", (800, 400), "teal").save(out, "PNG")
    (tmp_path / "picture").write_bytes(out.getvalue())
    return tmp_path / "picture"


@pytest.fixture
def small(tmp_path):
    return tmp_path / "small"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a picture process whose child runs the given code."""
    started = []

    def begin(code: str = "", **more) -> PictureProcess:
        if code:
            name = f"child_{len(started)}_of_a_test"
            (tmp_path / f"{name}.py").write_text(code)
            monkeypatch.syspath_prepend(tmp_path)
            more["module"] = name
        started.append(PictureProcess(**{"idle_seconds": 60.0, "low_seconds": 60.0, **more}))
        return started[-1]

    yield begin
    for process in started:
        process.close()
        assert process.pid is None


def is_running(pid: int) -> bool:
    """Return whether a process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until_ended(pid: int) -> None:
    """Wait until a process has ended."""
    async with asyncio.timeout(20):
        while is_running(pid):
            await asyncio.sleep(0.01)


def test_thumbnail_is_made_by_a_process_that_serves_several_pictures(start, picture, small):
    process = start()
    assert process.pid is None
    assert process.make(picture, small) == Picture(800, 400, has_thumbnail=True)
    pid = process.pid
    with Image.open(small) as made:
        assert (made.format, made.size) == ("JPEG", (320, 160))
    assert process.make(picture, None) == Picture(800, 400, has_thumbnail=False)
    picture.write_bytes(b"no picture")
    assert process.make(picture, small) is None
    assert not small.exists()
    assert process.pid == pid is not None


def test_process_of_the_server_does_not_load_the_decoder(picture, small):
    code = """
import sys
from pathlib import Path
from tailwire.server.uploads.picture_process import PictureProcess
process = PictureProcess(idle_seconds=60)
assert process.make(Path(sys.argv[1]), Path(sys.argv[2])).has_thumbnail
process.close()
assert not [name for name in sys.modules if name.partition(".")[0] == "PIL"]
"""
    subprocess.run([sys.executable, "-c", code, str(picture), str(small)], check=True, timeout=120)


@linux_only
def test_decoding_process_has_the_lowest_priority_and_no_secrets(start, picture, monkeypatch):
    monkeypatch.setenv("TAILWIRE_DATABASE", "postgresql://user:secret@host/db")
    process = start()
    process.make(picture, None)
    assert process.pid is not None
    assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
    assert b"TAILWIRE" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    open_files = {os.readlink(f"/proc/{process.pid}/fd/{n}") for n in os.listdir(f"/proc/{process.pid}/fd")}
    assert {name.partition(":")[0] for name in open_files} <= {"pipe", "/dev/null"}


CRASHING = """
make = picture_child.make_thumbnail
def crashing(source, target):
    return __import__("os").abort() if source.read_bytes() == b"crash" else make(source, target)
picture_child.make_thumbnail = crashing
"""


def test_crash_of_the_decoder_loses_only_the_picture_in_progress(start, tmp_path, picture, small, caplog):
    bad, process = tmp_path / "bad", start(CHANGED.format(CRASHING))
    bad.write_bytes(b"crash")
    small.write_bytes(b"half a thumbnail")
    with caplog.at_level(logging.WARNING):
        assert process.make(bad, small) is None
    assert not small.exists()
    assert "a picture was not decoded: its process ended with" in caplog.text
    assert process.pid is None
    assert process.make(picture, small) == Picture(800, 400, has_thumbnail=True)


@linux_only
def test_process_that_gets_no_processor_time_is_replaced_by_one_with_a_higher_priority(start, picture, small):
    process = start()
    process.make(picture, None)
    starved = process.pid
    os.kill(starved, signal.SIGSTOP)
    process._child._deadlines["idle"] = 0.5
    assert process.make(picture, small) == Picture(800, 400, has_thumbnail=True)
    assert not is_running(starved)
    assert os.sched_getscheduler(process.pid) == os.SCHED_OTHER
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)


@linux_only
def test_decoder_that_hangs_is_killed(start, picture, small, caplog):
    process = start(HANGING, idle_seconds=0.5, low_seconds=0.5)
    with caplog.at_level(logging.WARNING):
        assert process.make(picture, small) is None
    assert "it took more than 0.5 seconds" in caplog.text
    assert process.pid is None


@linux_only
def test_decoder_that_computes_endlessly_is_ended_by_the_kernel(start, picture, small, caplog):
    endless = "picture_child.CPU_SECONDS_PER_PICTURE = 0\ndef endless(*_):\n    while True: pass\n"
    process = start(CHANGED.format(f"{endless}picture_child.make_thumbnail = endless"), low_seconds=120.0)
    process._child._busy_until = float("inf")  # this machine may have no processor to spare
    with caplog.at_level(logging.WARNING):
        assert process.make(picture, small) is None
    assert f"its process ended with -{signal.SIGXCPU:d}" in caplog.text


@linux_only
def test_bomb_that_passes_the_pixel_limit_meets_the_memory_limit(start, tmp_path, small):
    bomb = tmp_path / "bomb"
    with bomb.open("wb") as file:  # 144 megapixels, mostly a hole in the file
        size = 12_000 * 12_000 * 3
        head = (14 + 40 + size).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
        info = (40).to_bytes(4, "little") + 2 * (12_000).to_bytes(4, "little") + b"\1\0\x18\0" + bytes(24)
        file.write(b"BM" + head + info)
        file.truncate(14 + 40 + size)
    process = start(CHANGED.format("thumbnails.MAX_PIXELS = thumbnails.MAX_BYTES = 10**10"))
    assert process.make(bomb, small) is None
    assert process.pid is not None
    peak = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 512 * 1024
    lifted = "picture_child.MEMORY_BYTES = -1\nthumbnails.MAX_PIXELS = thumbnails.MAX_BYTES = 10**10"
    assert start(CHANGED.format(lifted)).make(bomb, small) == Picture(12_000, 12_000, has_thumbnail=True)


async def test_unused_process_ends_and_the_next_picture_starts_another(start, picture, caplog):
    process = start(CHANGED.format("picture_child.UNUSED_SECONDS = 0.01"))
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert process.make(picture, None) == Picture(800, 400, has_thumbnail=False)
            async with asyncio.timeout(60):
                while process.pid is not None:
                    await asyncio.sleep(0.001)
    assert caplog.text == ""


@linux_only
def test_close_ends_the_process_that_decodes_a_picture(start, picture, small):
    process = start()
    process.make(picture, None)
    pid = process.pid
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(process.make, picture, small)
        process.close()
        assert made.result(20) is None
    assert not is_running(pid)
    assert process.make(picture, small) is None  # and none is started again
    assert process.pid is None


@linux_only
@pytest.mark.parametrize("busy", [False, True])
async def test_server_that_is_killed_leaves_no_process(picture, busy):
    code = """
import sys
from pathlib import Path
from tailwire.server.uploads.picture_process import PictureProcess
process = PictureProcess(idle_seconds=60)
process.make(Path(sys.argv[1]), None)
print(process.pid, flush=True)
sys.stdin.read()
"""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(picture), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    pid = int(await server.stdout.readline())
    if busy:  # does not come to the end of its input
        os.kill(pid, signal.SIGSTOP)
    server.kill()
    await server.wait()
    await until_ended(pid)


@linux_only
async def test_picture_has_no_thumbnail_if_the_queue_is_full(tmp_path, picture):
    folder = PartFolder(tmp_path / "uploads")
    files = []
    try:
        for _ in range(part_files.MAX_PENDING_THUMBNAILS + 2):
            files.append(PartFile(folder))
            files[-1].write(picture.read_bytes())
            await files[-1].finish()
        assert (await files[0].measure_picture()).has_thumbnail
        os.kill(folder.pictures.process.pid, signal.SIGSTOP)
        try:
            waiting = [asyncio.create_task(file.measure_picture()) for file in files[1:-1]]
            await asyncio.sleep(0)
            assert await files[-1].measure_picture() == Picture(800, 400, has_thumbnail=False)
        finally:
            os.kill(folder.pictures.process.pid, signal.SIGCONT)
        assert {await one for one in waiting} == {Picture(800, 400, has_thumbnail=True)}
    finally:
        for file in files:
            file.drop()
        await folder.close()
