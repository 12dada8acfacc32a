from tailwire.server.telemetry.log_limit import LOG_INTERVAL_SECONDS, LogLimit


def test_one_line_may_be_logged_in_each_interval():
    limit = LogLimit()
    assert limit.allows(0)  # the first line, whatever the clock shows
    assert not limit.allows(0)
    assert not limit.allows(LOG_INTERVAL_SECONDS - 0.1)
    assert limit.allows(LOG_INTERVAL_SECONDS)
    assert not limit.allows(2 * LOG_INTERVAL_SECONDS - 0.1)  # counted from the line that was logged last
    assert limit.allows(2 * LOG_INTERVAL_SECONDS)
