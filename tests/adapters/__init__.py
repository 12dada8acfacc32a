"""The adapters with real toolkits: real windows on a display of their own, a real client, and a real server.

Each app is a program of its own (`*_program.py`) with its toolkit's main loop; the test tells it what to do with its
windows and looks at the server: whether the user's socket is gone, whether it is back, what was handed over.
`matrix.py` states for each toolkit what is told when something happens.
"""
