"""The SDK's I/O: sockets, HTTP, the clock, files, and the driver, which runs the connection machine.

Who may import it: every package of the SDK above it (session, listeners, dispatch, calls, client …); admin, sync, bot,
testing, lab, cli and tui.
Read more: docs/project/architecture.md
"""
