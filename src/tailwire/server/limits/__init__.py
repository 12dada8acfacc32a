"""Limits by token, user or address: rates, connection slots, upload quotas, cooldowns, trusted networks.

Who may import it: actions, and the packages above it in import-contracts.ini.
Read more: docs/server.md.
"""
