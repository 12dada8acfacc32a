"""Brokers behind `ports.broker`. There is one, which serves a single process.

Who may import it: app only.
Read more: docs/project/architecture.md.
"""
