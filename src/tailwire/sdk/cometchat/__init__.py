"""The documented static class `CometChat`, over one `ChatClient`; the names are in snake_case.

Who may import it: only `tailwire`, which exports it.
Read more: docs/sdk.md.
"""

from tailwire.sdk.cometchat.face import CometChat

__all__ = ["CometChat"]
