"""`make cluster`: several servers on PostgreSQL behind Caddy on this machine, to kill and start while clients chat."""
