"""The adapters with real toolkits: a real app, a real client, and a real server that says who is connected."""
