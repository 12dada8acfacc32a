"""The fault proxy: a TCP proxy between clients and a server, its line shape and its HTTP control.

Who may import it: lab, cli, the rest of `testing`, and tests (ours and our users').
Read more: docs/testing.md.
"""
