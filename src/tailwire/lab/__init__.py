"""The lab: a web page that runs two real clients, a real server and the network between them, with faults on request.

Who may import it: cli.
Read more: docs/lab.md.
"""
