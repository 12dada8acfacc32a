"""Adapters with real toolkits: real windows on a virtual display, a real client, and a real server.

`matrix.py` lists for each toolkit what must be reported for each event.
"""
