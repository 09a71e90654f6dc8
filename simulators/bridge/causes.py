"""What can go wrong with a bridge, each as a function of time."""

from dataclasses import dataclass

from simulators.bridge.vehicles import Convoy
from simulators.course import Course, Occasion, still

__all__ = ["Convoy", "Trouble"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Causes; those that are left out are not there."""

    convoys: tuple[Convoy, ...] = ()
    settling_mm: Course = still  # of a support
    damage: Course = still  # share of the main span's stiffness that is lost
    scour: Course = still  # share of the frequencies that is lost with the ground at a pier
    jam: Occasion | None = None  # from then on the first bearing moves no more
    cable_loss: Course = still  # share of the first cable's force that is lost
    gale_m_s: Course = still  # wind on top of the weather's
    cold_k: Course = still  # a front: on top of the air's temperature
