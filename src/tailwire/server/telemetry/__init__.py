"""What the operator sees: metrics and logs.

Who may import it: every room of the server but config.
Design page: server.md, The command.
"""
