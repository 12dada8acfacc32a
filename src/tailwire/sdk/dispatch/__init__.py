"""From frames to callbacks: decoding, catch-up, and the bounded queue from which the app is called.

Who may import it: calls, live and the modules of `sdk` itself; sync and admin.
Read more: docs/project/architecture.md
"""
