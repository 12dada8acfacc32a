"""The connection on networks as people have them, over real sockets: `make networks` runs all, `make test` a few."""
