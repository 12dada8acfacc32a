"""Child processes that compute for the server only when the processor is free, one job at a time.

Who may import it: auth, uploads.
Read more: docs/project/decisions.md, D154 and D178.
"""
