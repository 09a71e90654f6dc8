"""A small city for the interface's tests: five kinds, a dozen facilities, their channels."""

from domain.catalogue import (
    Catalogue,
    Channel,
    Facility,
    FacilityKind,
    Feature,
    Gateway,
    Limit,
    Profile,
    Quantity,
    Text,
)
from domain.grade import FaultKind, Grade, Side

KINDS = (
    FacilityKind("bridge", Text("桥梁", "Bridge")),
    FacilityKind("tunnel", Text("隧道", "Tunnel")),
    FacilityKind("gas", Text("燃气", "Gas")),
    FacilityKind("drainage", Text("排水", "Drainage")),
    FacilityKind("lift", Text("电梯", "Lift")),
)

QUANTITIES = (
    Quantity("deflection", Text("挠度", "Deflection"), "mm", Text("mm", "mm")),
    Quantity("strain", Text("应变", "Strain"), "um/m", Text("με", "µε")),
    Quantity("convergence", Text("收敛", "Convergence"), "mm", Text("mm", "mm")),
    Quantity("co", Text("一氧化碳", "Carbon monoxide"), "[ppm]", Text("ppm", "ppm")),
    Quantity("methane", Text("甲烷浓度", "Methane"), "%{LEL}", Text("%LEL", "% LEL")),
    Quantity("level", Text("液位", "Water level"), "m", Text("m", "m")),
    Quantity("fault-code", Text("故障代码", "Fault code"), "1", Text("", "")),
    Quantity("missed-intervals", Text("缺报周期数", "Missed intervals"), "1", Text("次", "")),
)

_FACILITIES = (
    ("bridge", "riverside", "沿江大桥", "Riverside Bridge", "north"),
    ("bridge", "north-ring", "北环高架桥", "North Ring Viaduct", "north"),
    ("bridge", "dongmen", "东门立交桥", "Dongmen Interchange", "east"),
    ("tunnel", "cuiping", "翠屏山隧道", "Cuiping Hill Tunnel", "west"),
    ("tunnel", "metro-2", "地铁二号线区间", "Metro Line 2 section", "east"),
    ("gas", "renmin-road", "人民路燃气管段", "Renmin Road gas main", "centre"),
    ("gas", "xinhua", "新华门站相邻空间", "Xinhua gate station vaults", "centre"),
    ("drainage", "railway-underpass", "铁路桥下穿通道", "Railway underpass", "south"),
    ("drainage", "west-trunk", "城西雨水干管", "West storm trunk", "west"),
    ("drainage", "pump-3", "三号雨水泵站", "Pumping station no. 3", "south"),
    ("lift", "library-a", "图书馆甲梯", "Library lift A", "centre"),
    ("lift", "hospital-2", "市一医院二号梯", "City hospital lift 2", "east"),
)

_CHANNELS = {
    "bridge": (
        ("deflection-midspan", "主跨跨中挠度", "Deflection at midspan", "deflection", 40.0, 1.0),
        ("strain-girder", "主梁应变", "Girder strain", "strain", 180.0, 1.0),
    ),
    "tunnel": (
        ("convergence", "拱腰收敛", "Convergence of the haunch", "convergence", 20.0, 60.0),
        ("co", "一氧化碳浓度", "Carbon monoxide", "co", 100.0, 10.0),
    ),
    "gas": (("methane", "阀井甲烷浓度", "Methane in the valve chamber", "methane", 40.0, 10.0),),
    "drainage": (("level", "积水深度", "Depth of water", "level", 0.5, 60.0),),
    "lift": (("code", "故障代码", "Fault code", "fault-code", 4.0, 60.0),),
}

_SHARES = ((Grade.BLUE, 0.5), (Grade.YELLOW, 0.7), (Grade.ORANGE, 0.85), (Grade.RED, 1.0))


def limits_up_to(worst: float) -> tuple[Limit, ...]:
    return tuple(
        Limit(grade, Side.HIGH, round(worst * share, 3), deadband=worst * 0.02)
        for grade, share in _SHARES
    )


def _channels_of(kind: str, facility: str, gateway: str) -> list[Channel]:
    channels = []
    for number, (name, zh, en, quantity, worst, interval_s) in enumerate(_CHANNELS[kind]):
        measured = Channel(
            id=f"{facility}/{name}",
            facility=facility,
            name=Text(zh, en),
            quantity=quantity,
            sample_interval_s=interval_s,
            gateway=gateway,
            sent_as=f"S{number}",
            limits=limits_up_to(worst),
            on_change=kind == "lift",
            latching=kind == "gas",
            source="template",
        )
        channels += [measured, silence_of(measured)]
    return channels


def silence_of(channel: Channel) -> Channel:
    return Channel(
        id=f"{channel.id}:silent",
        facility=channel.facility,
        name=Text(f"{channel.name.zh}信号中断", f"{channel.name.en}: silence"),
        quantity="missed-intervals",
        sample_interval_s=channel.sample_interval_s,
        fault=FaultKind.SILENT,
        fault_of=channel.id,
        limits=(Limit(Grade.BLUE, Side.HIGH, 3.0),),
    )


def city() -> Catalogue:
    facilities, gateways, channels = [], [], []
    for place, (kind, name, zh, en, district) in enumerate(_FACILITIES):
        facility = Facility(
            f"{kind}/{name}",
            kind,
            Text(zh, en),
            district,
            121.4 + place / 50,
            31.2,
            {"built": 2008},
        )
        gateway = Gateway(
            f"gw-{name}",
            district,
            Text(f"{zh}网关", f"{en} gateway"),
            facility.id,
            "Asia/Shanghai",
            10,
        )
        facilities.append(facility)
        gateways.append(gateway)
        channels += _channels_of(kind, facility.id, gateway.id)
    channels.append(_mean_of(channels[0]))
    return Catalogue(
        revision=7,
        name=Text("演示城", "Demonstration city"),
        kinds=KINDS,
        quantities=QUANTITIES,
        facilities=tuple(facilities),
        gateways=tuple(gateways),
        channels=tuple(channels),
        profiles=(Profile("flood-season", Text("汛期", "Flood season")),),
    )


def _mean_of(channel: Channel) -> Channel:
    parameters = {"window_s": 600, "step_s": 60, "statistic": "mean"}
    return Channel(
        id=f"{channel.id}/mean",
        facility=channel.facility,
        name=Text(f"{channel.name.zh}十分钟均值", f"{channel.name.en}, ten-minute mean"),
        quantity=channel.quantity,
        sample_interval_s=60.0,
        feature=Feature("rolling", (channel.id,), parameters),
        commissioning=True,
    )
