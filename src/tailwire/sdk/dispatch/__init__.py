"""From frames to callbacks: decoding, catch-up, and the bounded queue from which the app is called.

Who may import it: calls, live and client of the SDK; sync and admin.
Read more: docs/project/architecture.md
"""
