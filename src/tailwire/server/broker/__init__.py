"""Brokers behind `ports.broker`: in this process; NATS comes with a later version.

Who may import it: app alone.
Design page: server.md.
"""
