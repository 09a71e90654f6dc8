"""Designs of bridges, and how one bridge differs from the next of its kind."""

from dataclasses import dataclass, replace

import numpy as np

from simulators.bridge.influence import Beam, HungDeck, Structure
from simulators.bridge.vibration import Mode
from simulators.noise import key_of, uniform
from simulators.thermal import Warmth

STEEL_PER_K = 1.2e-5


@dataclass(frozen=True, slots=True)
class Cable:
    """A stay or hanger; its force is told by its frequency as a taut string."""

    force_kn: float
    length_m: float
    mass_kg_m: float
    warm_share_per_k: float = -0.0008  # of the force: the cable lengthens more than the deck
    load_share: float = 0.02  # of the load on the deck, kN a kN, near it

    def frequency_hz(self, force_kn: float) -> float:
        """Return the first frequency: f = sqrt(F / m) / 2 L (taut string; sag and stiffness left out)."""
        return float(np.sqrt(force_kn * 1_000.0 / self.mass_kg_m) / (2.0 * self.length_m))

    @property
    def error_kn(self) -> float:
        """Deviation of a force told by a frequency of 0.02 % deviation: twice that (dF/F = 2 df/f)."""
        return 2.0 * 2e-4 * self.force_kn


@dataclass(frozen=True, slots=True)
class Design:
    """A bridge as its dossier has it; signs: sag, tension and movement outward are positive."""

    structure: Structure
    midspan_m: float
    quarter_m: float
    pier_m: float
    lever_m: float  # from the neutral axis to the gauges at the bottom
    warmth: Warmth
    modes: tuple[Mode, ...]
    expansion_m: tuple[float, float]  # of deck that moves at each bearing
    cables: tuple[Cable, Cable]
    bearing_set_c: float = 18.0  # effective temperature at which the bearings stand at 0
    dead_sag_mm: float = 60.0  # under its own weight, which damage adds to
    sag_mm: float = 6.0  # reading at 20 Cel, as the zero was set
    sag_mm_per_k: float = 0.35  # of effective temperature
    sag_mm_per_gradient_k: float = -0.30  # a warmer top arches the deck
    strain_um_m: tuple[float, float, float] = (120.0, 96.0, -60.0)
    strain_per_k: float = 2.5  # um/m: what the supports hold back
    strain_per_gradient_k: float = 1.6
    jam_um_m_per_k: float = 5.0  # where a bearing no longer lets the deck go
    lanes: int = 2
    slot_s: float = 4.0
    busiest: float = 0.55
    heavy: float = 1.0
    ambient_m_s2: float = 0.006
    wind_m_s2: float = 0.02  # RMS under a mean wind of 10 m/s; grows with its square
    load_m_s2_per_kn: float = 1.0e-5
    frequency_per_k: float = -2.0e-4  # -0.2 % per 10 K (Xia et al. 2012)


STEEL = Warmth()
COMPOSITE = Warmth(lag_s=6.0 * 3600, sun_k_m2_w=0.010, gradient_lag_s=1.6 * 3600)

CABLE_STAYED = Design(
    structure=HungDeck(420.0, 2.0e8, 312.0),
    midspan_m=210.0,
    quarter_m=105.0,
    pier_m=25.0,
    lever_m=2.2,
    warmth=STEEL,
    modes=(Mode(0.42, 0.012), Mode(0.68, 0.01, 0.5), Mode(1.35, 0.01, 0.4)),
    expansion_m=(180.0, -175.0),
    cables=(Cable(3_250.0, 118.0, 52.0), Cable(3_310.0, 121.0, 53.0)),
    dead_sag_mm=240.0,
)
"""A main span of 420 m in stays."""

TIED_ARCH = Design(
    structure=Beam((84.0,), 1.1e9),
    midspan_m=42.0,
    quarter_m=21.0,
    pier_m=4.0,
    lever_m=3.0,
    warmth=STEEL,
    modes=(Mode(1.4, 0.01), Mode(2.6, 0.01, 0.5)),
    expansion_m=(84.0, -60.0),
    cables=(Cable(3_200.0, 14.0, 40.0), Cable(3_260.0, 14.5, 40.0)),
    dead_sag_mm=50.0,
    sag_mm_per_k=0.15,
    busiest=0.3,
    wind_m_s2=0.008,
    load_m_s2_per_kn=2.5e-5,
)
"""A span of 84 m under a tied arch, as a simple beam of the stiffness that both have together."""

CONTINUOUS = Design(
    structure=Beam((40.0, 60.0, 40.0), 1.35e8),
    midspan_m=70.0,
    quarter_m=55.0,
    pier_m=40.0,
    lever_m=1.5,
    warmth=COMPOSITE,
    modes=(Mode(1.9, 0.01), Mode(2.9, 0.012, 0.6), Mode(4.4, 0.012, 0.5)),
    expansion_m=(100.0, -40.0),
    cables=(Cable(1_900.0, 22.0, 30.0), Cable(1_860.0, 22.0, 30.0)),  # external tendons
    dead_sag_mm=45.0,
    sag_mm=2.0,
    sag_mm_per_k=0.05,
    sag_mm_per_gradient_k=-0.35,
    strain_per_gradient_k=2.6,
    wind_m_s2=0.004,
    load_m_s2_per_kn=4.0e-5,
)
"""Three spans of 40, 60 and 40 m, composite, with external tendons."""


def varied(design: Design, key: int) -> Design:
    """Return the bridge of this key: as built, a little off its design in everything."""

    def about(name: str, spread: float) -> float:
        return float(1.0 + spread * (2.0 * uniform(key_of(key, name), np.array([0]))[0] - 1.0))

    stiffer, movable = about("stiffness", 0.04), about("expansion", 0.05)
    return replace(
        design,
        structure=_stiffened(design.structure, stiffer),
        modes=tuple(
            replace(
                mode,
                frequency_hz=mode.frequency_hz * about(f"frequency {place}", 0.04),
                damping=mode.damping * about(f"damping {place}", 0.2),
            )
            for place, mode in enumerate(design.modes)
        ),
        expansion_m=(design.expansion_m[0] * movable, design.expansion_m[1] * movable),
        cables=(
            replace(design.cables[0], force_kn=design.cables[0].force_kn * about("cable 1", 0.02)),
            replace(design.cables[1], force_kn=design.cables[1].force_kn * about("cable 2", 0.02)),
        ),
        sag_mm_per_k=design.sag_mm_per_k * about("sag", 0.2),
        sag_mm_per_gradient_k=design.sag_mm_per_gradient_k * about("arch", 0.2),
        strain_per_k=design.strain_per_k * about("held back", 0.2),
        warmth=replace(design.warmth, lag_s=design.warmth.lag_s * about("lag", 0.15)),
        busiest=design.busiest * about("traffic", 0.15),
        ambient_m_s2=design.ambient_m_s2 * about("ambient", 0.25),
    )


def _stiffened(structure: Structure, factor: float) -> Structure:
    stiffness = structure.stiffness_kn_m2 * factor
    if isinstance(structure, HungDeck):
        return replace(
            structure, stiffness_kn_m2=stiffness, support_kn_m2=structure.support_kn_m2 * factor
        )
    return replace(structure, stiffness_kn_m2=stiffness)
