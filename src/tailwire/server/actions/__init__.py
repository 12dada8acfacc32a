"""What the server does, one module a noun: load, ask the rules, store, publish, answer.

Who may import it: rest, gateway, app.
Design page: architecture.md (Two authorizer, one way); server.md (The way of a message).
"""
