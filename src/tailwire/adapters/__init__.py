"""How each app framework tells foreground from background. For every other one: call `chat.set_app_state(…)`.

Who may import it: testing, cli, tui, and apps. An adapter knows `watching` and `rule`, and no other adapter.
Design page: connection.md (app state); architecture.md.
"""
