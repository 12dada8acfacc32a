"""Sends the deliveries that the store has queued for webhooks.

Who may import it: app and shutdown.
Read more: docs/webhooks.md
"""
