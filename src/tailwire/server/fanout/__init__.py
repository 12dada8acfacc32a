"""Who listens in this process, and one write per socket and turn of the event loop.

Who may import it: actions, gateway and app.
Design page: server.md (Fan-out; What a connection costs).
"""
