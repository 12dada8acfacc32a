"""Servers of other products that tests start for themselves."""
