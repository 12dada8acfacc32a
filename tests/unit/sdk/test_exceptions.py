"""The text and the parameters of the exception."""

from tailwire import CometChatException
from tailwire.sdk.exceptions import failure


def test_error_params_hold_the_values_that_the_server_names():
    limit = CometChatException("ERR_PINNED_MESSAGES_LIMIT_EXCEEDED", "Too many.", {"limit": 100})
    assert limit.error_params["limit"] == 100
    assert failure("NO_INTERNET_CONNECTION").error_params == {}


def test_text_contains_code_message_and_details():
    assert str(CometChatException("CODE", "It failed.", "Do this.")) == "CODE: It failed. (Do this.)"
    assert str(CometChatException("CODE", "It failed.")) == "CODE: It failed."
