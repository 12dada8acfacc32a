"""Tells webhooks what the queue in the store holds.

Who may import it: app and shutdown.
Design page: facts-rest.md, section 19.
"""
