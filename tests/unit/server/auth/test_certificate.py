"""The certificate for development: valid for this server, and for nothing else."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tailwire.server.auth.certificate import self_signed


def test_certificate_names_localhost_and_the_host_and_is_not_an_authority(tmp_path):
    file, _ = self_signed(tmp_path, "chat.test")
    made = x509.load_pem_x509_certificate(Path(file).read_bytes())
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "chat.test"]


def test_existing_certificate_and_key_are_used_again(tmp_path):
    file, key = self_signed(tmp_path, "chat.test")
    made = Path(file).read_bytes(), Path(key).read_bytes()
    assert self_signed(tmp_path, "chat.test") == (file, key)
    assert (Path(file).read_bytes(), Path(key).read_bytes()) == made


async def serving(tmp_path):
    file, key = self_signed(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1], file


@pytest.mark.parametrize("strict", [False, True])
async def test_python_trusts_the_certificate_only_if_it_is_given_the_file(tmp_path, strict):
    server, port, file = await serving(tmp_path)
    async with server:
        context = ssl.create_default_context(cafile=file)
        if strict:  # the default in newer versions of Python
            context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context, family=2)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("localhost", port, ssl=ssl.create_default_context(), family=2)


@pytest.mark.slow
async def test_node_trusts_the_certificate_only_if_it_is_given_the_file(tmp_path):
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed")
    server, port, file = await serving(tmp_path)
    script = """
      const https = require("https"), [, port, file] = process.argv;
      const ca = file ? require("fs").readFileSync(file) : undefined;
      https.get({ host: "localhost", family: 4, port, ca }, (r) => console.log(r.statusCode)).on("error", (e) => console.log(e.code));
    """
    async with server:
        for chain, expected in (([file], "200"), ([], "DEPTH_ZERO_SELF_SIGNED_CERT")):
            ran = await asyncio.to_thread(
                subprocess.run, [node, "-e", script, str(port), *chain], capture_output=True, text=True, timeout=20
            )
            assert ran.stdout.strip() == expected, ran.stderr
