"""Files of 100 MB on S3 (`moto`, in memory) compared with files in the folder: speed and memory of the server."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import peers, raw
from benchmarks.large_files import FILE_BYTES, PIECE, memory_growth, upload, upload_form
from tailwire.server.config import Settings
from tailwire.server.uploads.s3_bucket import Bucket
from tailwire.server.uploads.s3_settings import bucket_address

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

TIMES = 3
AT_ONCE = 4


def _download(port: int, name: str) -> None:
    got = 0
    with raw.tcp(port) as s:
        s.sendall(f"GET /v3/files/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        while data := s.recv(1 << 20):
            got += len(data)
    if got < FILE_BYTES:
        raise RuntimeError(f"{got} bytes of {FILE_BYTES}")


def _measure_server(settings: dict[str, str]) -> tuple[float, float, float, float, float]:
    # MB/s up, MB grown, MB/s of several uploads at once, MB grown with them, MB/s down.
    with peers.tailwire(settings={"TAILWIRE_UPLOADS_PER_DAY": "0", **settings}) as server:
        api = raw.Api(server.port, server.more)
        token = api.login("alice")[0]

        one = upload_form(api, token)
        with memory_growth(server) as grown:
            begin = time.perf_counter()
            upload(server.port, one)
            up = time.perf_counter() - begin
        begin = time.perf_counter()
        _download(server.port, one["key"])
        down = time.perf_counter() - begin
        threads = [threading.Thread(target=upload, args=(server.port, upload_form(api, token))) for _ in range(AT_ONCE)]
        with memory_growth(server) as grown_by_all:
            begin = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            all_up = time.perf_counter() - begin
    mb = FILE_BYTES / 2**20
    return mb / up, grown[0], AT_ONCE * mb / all_up, grown_by_all[0], mb / down


def _measure_bare_client(settings: dict[str, Any]) -> float:
    # MB/s of the client alone, from a file: what the service takes.
    async def put() -> float:
        with tempfile.NamedTemporaryFile() as file:
            for _ in range(FILE_BYTES // len(PIECE)):
                file.write(PIECE)
            file.flush()
            begin = time.perf_counter()
            await Bucket(bucket_address(Settings(**settings))).put("bare", Path(file.name), FILE_BYTES, "text/plain")
            return FILE_BYTES / 2**20 / (time.perf_counter() - begin)

    return asyncio.run(put())


def run() -> list[str]:
    """Run the benchmark, and return its section of the results."""
    from servers.s3 import S3Server

    service = S3Server()
    service.start()
    rows: dict[str, list[tuple[float, ...]]] = {"the folder": [], "S3": []}
    bare = []
    try:
        for _ in range(TIMES):
            rows["the folder"].append(_measure_server({}))
            place = service.create_bucket()
            rows["S3"].append(_measure_server({f"TAILWIRE_{k.upper()}": v for k, v in place.settings().items()}))
            bare.append(_measure_bare_client(place.settings()))
            service.kill()  # it keeps all files in memory
            service.start()
    finally:
        service.kill()
    lines = [
        f"### Files of 100 MB on S3 (median of {TIMES}, in turns)",
        "",
        "The service is `moto` on the same machine, which computes too: the bare client says how much it takes.",
        "",
        f"| stored in | up MB/s | server grows MB | {AT_ONCE} at once MB/s | server grows MB | down MB/s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in rows.items():
        up, grown, all_up, grown_by_all, down = (statistics.median(column) for column in zip(*found, strict=True))
        lines.append(f"| {name} | {up:.0f} | {grown:.1f} | {all_up:.0f} | {grown_by_all:.1f} | {down:.0f} |")
    lines += ["", f"The bare client sends a file of 100 MB to the service at {statistics.median(bare):.0f} MB/s."]
    return lines
