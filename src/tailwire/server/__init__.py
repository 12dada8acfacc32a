"""The self-hosted server. The package `app` assembles its parts, and is the only one that imports all of them.

Who may import it: testing, lab and cli. It imports `wire` and nothing of the SDK.
Read more: docs/server.md.
"""
