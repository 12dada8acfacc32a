"""Virtual time and a network in memory: the real client and the real server run on them unchanged, hours in a second.

Who may import it: tests (ours and our users').
Design page: architecture.md (Habits: time is virtual wherever a test would wait).
"""
