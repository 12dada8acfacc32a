"""Causes of network errors."""

from __future__ import annotations

import errno
import socket

import pytest

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import failure, not_reached
from tailwire.sdk.io.failures import attempt_error_of, cause_of_error

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
UNREACHABLE = OSError(errno.ENETUNREACH, "Network is unreachable")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (REFUSED, Cause.CONNECTION_REFUSED),
        (UNREACHABLE, Cause.NETWORK_UNREACHABLE),
        (OSError(errno.ETIMEDOUT, "x"), Cause.ATTEMPT_TIMEOUT),
        (socket.gaierror(socket.EAI_NONAME, "x"), Cause.NAME_LOOKUP_FAILED),
        (ConnectionResetError(), Cause.CONNECTION_RESET),
        # A host with an unreachable IPv6 address and an IPv4 address that refuses.
        (ExceptionGroup("x", [UNREACHABLE, REFUSED]), Cause.CONNECTION_REFUSED),
        (ExceptionGroup("x", [UNREACHABLE, UNREACHABLE]), Cause.NETWORK_UNREACHABLE),
        (OSError(f"Multiple exceptions: {UNREACHABLE}, {REFUSED}"), Cause.CONNECTION_REFUSED),
        (OSError(f"Multiple exceptions: {UNREACHABLE}, {UNREACHABLE}"), Cause.NETWORK_UNREACHABLE),
    ],
)
def test_network_errors_have_their_causes(error, cause):
    assert cause_of_error(error) is cause
    wrapped = RuntimeError("of a library")
    wrapped.__cause__ = error
    assert cause_of_error(wrapped) is cause


def test_unreached_request_fails_the_attempt_with_its_cause():
    error = attempt_error_of(not_reached(Cause.CAPTIVE_PORTAL, "HTTP 302", retry_after=9.0))
    assert (error.cause, error.wait, error.ours, error.details) == (Cause.CAPTIVE_PORTAL, 9.0, False, "HTTP 302")


@pytest.mark.parametrize("code", ["ERR_AUTH_TOKEN_EXPIRED", "ERR_HOST_NOT_ALLOWED", "AUTH_ERR_INVALID_APPID"])
def test_refused_request_fails_the_attempt_with_the_message_of_the_server(code):
    refusal = failure(code)
    details = attempt_error_of(refusal, "HTTP 401").details
    assert details == f"HTTP 401: {code}: {refusal.message} {refusal.details}"


def test_long_message_of_a_server_is_shortened_to_one_line():
    details = attempt_error_of(failure("ERR_HOST_NOT_ALLOWED", "a\nb" * 1000)).details
    assert len(details) == 500
    assert "\n" not in details


def test_wait_in_an_error_of_the_server_is_marked_as_requested_by_it():
    error = attempt_error_of(failure("ERR_TOO_MANY_REQUESTS", retry_after=9.0))
    assert (error.cause, error.wait, error.ours) == (Cause.SERVER_BUSY, 9.0, True)
