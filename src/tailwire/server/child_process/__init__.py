"""Child processes that compute for the server only when the processor is free, one job at a time.

Imported by `auth` and `uploads`. See D154 and D178 in docs/project/decisions.md.
"""
