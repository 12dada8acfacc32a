"""The lab: a page with two real clients, a real server and the lines between them, with faults on request.

Who may import it: cli.
Read more: docs/lab.md.
"""
