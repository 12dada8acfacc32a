"""A real browser for tests: the fixture `chromium` (see `fixtures`). `make chromium` installs its packages."""
