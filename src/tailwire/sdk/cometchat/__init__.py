"""The documented face over one `ChatClient`: class methods under the documented names, in snake_case.

Who may import it: nobody of ours; `tailwire` names it.
Design page: api.md; facts-sdk.md, section 3.
"""

from tailwire.sdk.cometchat.face import CometChat

__all__ = ["CometChat"]
