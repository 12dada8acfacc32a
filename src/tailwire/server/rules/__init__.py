"""Who may do what, and what is valid. The only home of "may they". PURE.

Who may import it: actions and everything left of them.
Design page: server.md (Who may do what); limits: facts-sdk.md, section 12.
"""
