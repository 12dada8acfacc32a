"""Rates: how much of it.

Who may import it: actions and everything left of them.
Design page: server.md (Who may do what; Under load).
"""
