"""How each app framework tells foreground from background. For every other one: call `chat.set_app_state(…)`.

Who may import it: testing, cli, tui, and apps. Adapters do not know each other.
Design page: connection.md (app state); architecture.md.
"""
