"""Close codes are numbers of RFC 6455 and its registry, or of applications."""

from __future__ import annotations

from tailwire.wire.close_codes import REFUSED_FROM, REFUSED_TO, CloseCode

REGISTERED = {
    "NORMAL": 1000, "PROTOCOL_ERROR": 1002, "UNSUPPORTED_DATA": 1003, "ABNORMAL": 1006, "INVALID_DATA": 1007,
    "POLICY_VIOLATION": 1008, "MESSAGE_TOO_BIG": 1009, "RESTARTING": 1012, "TRY_AGAIN_LATER": 1013,
}  # fmt: skip
OURS = {
    "NOT_AUTHENTICATED": 4003, "AUTH_TIMEOUT": 4008, "SILENT": 4009, "WINDOW_EXPIRED": 4010, "FLOODING": 4029,
    "TOKEN_REJECTED": 4501,
}  # fmt: skip


def test_names_and_numbers_of_close_codes_stay_the_same():
    assert {code.name: code.value for code in CloseCode} == {**REGISTERED, **OURS}
    assert (REFUSED_FROM, REFUSED_TO) == (4500, 4999)
