"""The dependencies that most actions share."""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.actions.authorization import Authorizer
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.lengths import Lengths


@dataclass(frozen=True, slots=True)
class Services:
    """The store and what is built on it; made once, in `app.assembly`.

    Attributes:
        directory: finds users, and caches their JSON form.
        authorizer: finds objects and checks permissions on them.
        delivery: publishes frames.
        world: the clock and the source of random secrets.
        lengths: limits of the texts that users write.
    """

    store: Store
    directory: Directory
    authorizer: Authorizer
    delivery: Delivery
    world: World
    lengths: Lengths
