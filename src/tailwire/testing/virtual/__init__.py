"""Virtual time and an in-memory network: the real client and server run on them unchanged, hours in a second.

Who may import it: the rest of `testing`, and tests (ours and our users').
Read more: docs/project/architecture.md.
"""
