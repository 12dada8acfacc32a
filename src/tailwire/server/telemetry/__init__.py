"""Metrics and logs.

Who may import it: the packages above it in import-contracts.ini, commands, and testing.
Read more: docs/server.md.
"""
