"""Multipart forms that arrive in pieces."""

from __future__ import annotations

from functools import partial

import pytest

from tailwire.server.limits.turns import Turns
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.forms import read_form


class Kept:
    """A sink in memory."""

    def __init__(self):
        self.first_bytes, self.size, self.dropped = b"", 0, False

    def write(self, data):
        self.size += len(data)

    def drop(self):
        self.dropped = True


class Body:
    """A body of many pieces, which counts how many were read."""

    def __init__(self, pieces):
        self.left, self.reads = list(pieces), 0

    async def __call__(self):
        self.reads += 1
        return {"type": "http.request", "body": self.left.pop(0), "more_body": bool(self.left)}


HEAD = (
    b'--x\r\nContent-Disposition: form-data; name="receiver"\r\n\r\nnobody\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
)


def read(body, begin, admit, check=lambda size, whole: None):
    """Read a form whose boundary is `x`."""
    return read_form(body, b"multipart/form-data; boundary=x", begin, admit, check, partial(Turns().wait, "a"))


async def test_form_is_refused_by_its_fields_before_its_file_is_read():
    body, kept, admitted = Body([HEAD, *[b"y" * 65536] * 100, b"\r\n--x--\r\n"]), Kept(), []

    async def admit(fields):
        admitted.append(dict(fields))
        raise Refused("ERR_UID_NOT_FOUND")

    with pytest.raises(Refused, match="ERR_UID_NOT_FOUND"):
        await read(body, lambda fields: kept, admit)
    assert (body.reads, admitted, kept.dropped) == (1, [{"receiver": "nobody"}], True)


@pytest.mark.parametrize(
    ("head", "begun"),
    [(HEAD.replace(b"nobody", b"no\0body"), False), (HEAD.replace(b'"a"', b'"a\0"'), True)],
    ids=["in a field", "in the name of the file, which is then dropped"],
)
async def test_nul_in_a_form_is_refused(head, begun):
    body, kept = Body([head + b"y\r\n--x--\r\n"]), Kept()

    async def admit(fields):
        pass

    with pytest.raises(Refused, match="ERR_BAD_REQUEST"):
        await read(body, lambda fields: kept, admit)
    assert kept.dropped is begun


async def test_size_of_each_file_and_of_all_files_so_far_is_checked():
    second = b'\r\n--x\r\nContent-Disposition: form-data; name="g"; filename="b"\r\n\r\n'
    body, calls = Body([HEAD, b"y" * 10, second, b"z" * 5, b"\r\n--x--\r\n"]), []

    async def admit(fields):
        calls.append("admitted")

    form = await read(body, lambda fields: Kept(), admit, lambda *sizes: calls.append(sizes))
    assert calls[0] == "admitted"
    assert calls[-1] == (5, 15)
    assert [sink.size for _, sink in form.files] == [10, 5]
