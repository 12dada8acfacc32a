"""The pages that the server shows in a browser, as plain files. There is no Python here.

`vendor/` holds libraries of others, unchanged except for what `vendor.json` says; `shared/` what all pages use;
`console/` the console. A page requests a file of its own by its name, and the others as `vendor/…` and
`shared/…`.

Who may import it: nobody; `tailwire.server.web` reads the files.
Read more: docs/console.md
"""
