"""Parsing of rates and seconds."""

from __future__ import annotations

import pytest

from tailwire.testing.line.shape import Shape, from_kbit, read_rate, read_seconds


@pytest.mark.parametrize(
    ("text", "rate"),
    [("0", 0), ("8000", 8000), ("64kbit", 8000), ("9.6kbit", 1200), ("2mbit", 250_000), (" 1MBIT ", 125_000)],
)
def test_rates_are_parsed(text: str, rate: float):
    assert read_rate(text) == rate


@pytest.mark.parametrize("text", ["", "-1", "fast", "64 kbits", "1e3", "nan", "inf", "9" * 13, "8001mbit", "٣"])
def test_invalid_rates_are_refused(text: str):
    with pytest.raises(ValueError, match="64kbit"):
        read_rate(text)


def test_rate_of_64_kbit_is_8000_bytes_per_second():
    assert from_kbit(64) == 8000


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "3601", "soon"])
def test_invalid_seconds_are_refused(text: str):
    with pytest.raises(ValueError, match="give seconds"):
        read_seconds(text)


@pytest.mark.parametrize("wrong", [{"up": -1}, {"down": float("nan")}, {"queue": 3601}, {"latency": float("inf")}])
def test_invalid_shapes_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Shape(**wrong)
