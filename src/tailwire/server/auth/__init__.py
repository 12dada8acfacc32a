"""Keys, tokens, passwords and sealed secrets.

Who may import it: actions, and the packages above it in import-contracts.ini; commands, and testing.
Read more: docs/server.md.
"""
