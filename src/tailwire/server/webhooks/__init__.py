"""Sends the deliveries that the store has queued for webhooks.

Who may import it: app, shutdown, and testing.
Read more: docs/webhooks.md
"""
