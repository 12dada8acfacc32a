"""The lab: a page that shows two real clients, a real server and the lines between them, and breaks what is asked.

Who may import it: cli.
Design page: docs/lab.md.
"""
