"""All that touches the world: sockets, HTTP, the clock, files, and the driver of the connection machine.

Who may import it: session, listeners, dispatch and everything left of them.
Design page: architecture.md (The machines); connection.md (Time).
"""
