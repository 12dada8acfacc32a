"""The exception says what went wrong, and what the server named."""

from tailwire import CometChatException
from tailwire.sdk.exceptions import failure


def test_what_the_server_named_can_be_read_by_name():
    limit = CometChatException("ERR_PINNED_MESSAGES_LIMIT_EXCEEDED", "Too many.", {"limit": 100})
    assert limit.error_params["limit"] == 100
    assert failure("NO_INTERNET_CONNECTION").error_params == {}


def test_it_reads_as_a_sentence():
    assert str(CometChatException("CODE", "It failed.", "Do this.")) == "CODE: It failed. (Do this.)"
    assert str(CometChatException("CODE", "It failed.")) == "CODE: It failed."
