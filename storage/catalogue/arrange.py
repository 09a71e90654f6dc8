"""The order of channels, and what only shows between them: inputs, circles, intervals."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from domain.catalogue import Channel
from domain.grade import FaultKind
from storage.catalogue.channels import Draft
from storage.catalogue.document import Faults, shorten
from storage.catalogue.section import suggest

_FAULT_ORDER = {kind: order for order, kind in enumerate(FaultKind)}


def find_inputs(drafts: Iterable[Draft], known: Mapping[str, Channel], faults: Faults) -> None:
    """Write full ids for the inputs of drafts: of the same facility first, else as written."""
    for draft in drafts:
        feature = draft.channel.feature
        if feature is None:
            continue
        if not feature.inputs:
            faults.add(draft.place, f"the feature of {draft.scope.what} needs `inputs`")
        found = []
        for name in feature.inputs:
            local = f"{draft.channel.facility}/{name}"
            full = local if local in known else name
            if full not in known:
                message = f"{draft.scope.what} has the input `{shorten(name)}`, which is no channel"
                faults.add(draft.place, message, _near(name, draft.channel.facility, known))
            found.append(full)
        draft.channel = replace(draft.channel, feature=replace(feature, inputs=tuple(found)))


def _near(name: str, facility: str, known: Mapping[str, Channel]) -> str:
    """Suggest among the facility's channels only: a city's are too many to compare with."""
    prefix = f"{facility}/"
    return suggest(name, [full.removeprefix(prefix) for full in known if full.startswith(prefix)])


def inputs_first(drafts: list[Draft], faults: Faults) -> list[Draft]:
    """Return derived drafts with inputs before what is derived from them, otherwise as they stand.

    A circle is a fault; its drafts follow at the end.
    """
    by_id = {draft.channel.id: draft for draft in drafts}
    done: dict[str, bool] = {}  # False while its inputs are looked at
    ordered: list[Draft] = []
    for start in by_id:
        stack = [start]
        while stack:
            draft = by_id[stack[-1]]
            if draft.channel.id in done:
                stack.pop()
                if not done[draft.channel.id]:
                    done[draft.channel.id] = True
                    ordered.append(draft)
                continue
            done[draft.channel.id] = False
            for name in reversed(draft.inputs):
                if done.get(name) is False:
                    _tell_circle(draft, name, by_id, faults)
                elif name in by_id and name not in done:
                    stack.append(name)
    return ordered


def _tell_circle(draft: Draft, first: str, by_id: Mapping[str, Draft], faults: Faults) -> None:
    """Note the circle from ``draft`` over its input ``first`` back to itself, if there is one."""
    reached_by: dict[str, str] = {first: ""}
    queue = [first]
    while queue and draft.channel.id not in reached_by:
        name = queue.pop(0)
        for inner in by_id[name].inputs if name in by_id else ():
            if inner not in reached_by:
                reached_by[inner] = name
                queue.append(inner)
    if draft.channel.id not in reached_by:
        return
    path, name = [draft.channel.id], draft.channel.id
    while name != first:
        name = reached_by[name]
        path.append(name)
    shown = " → ".join([draft.channel.id, *reversed(path)][:8])
    faults.add(draft.place, f"features go in a circle: {shown}")


def inherit(drafts: Iterable[Draft], known: dict[str, Channel]) -> None:
    """Give derived channels what they have from their inputs, in the order of ``inputs_first``.

    The sample interval is the grid's ``step_s`` where the feature has one, else the first input's;
    a channel reports on change where its first input does, and is in commissioning where any is.
    """
    for draft in drafts:
        channel = draft.channel
        inputs = [known[name] for name in draft.inputs if name in known]
        if channel.feature is None or not inputs:
            continue
        interval_s = draft.sample_interval_s or _step_s(channel) or inputs[0].sample_interval_s
        on_change = inputs[0].on_change if draft.on_change is None else draft.on_change
        draft.channel = replace(
            channel,
            sample_interval_s=interval_s,
            on_change=on_change,
            commissioning=channel.commissioning or any(one.commissioning for one in inputs),
        )
        known[channel.id] = draft.channel


def _step_s(channel: Channel) -> float | None:
    step_s = channel.feature.parameters.get("step_s") if channel.feature else None
    positive = isinstance(step_s, int | float) and not isinstance(step_s, bool) and step_s > 0
    return float(step_s) if step_s is not None and positive else None


def check_flat(drafts: Iterable[Draft], faults: Faults) -> None:
    """Note flat-line spans shorter than a sample interval, in which nothing can be seen."""
    for draft in drafts:
        flat_s, interval_s = draft.channel.checks.flat_s, draft.channel.sample_interval_s
        if flat_s is not None and 0 < flat_s < interval_s:
            message = (
                f"flat_s {flat_s:g} of {draft.scope.what} is shorter than its sample interval, "
                f"{interval_s:g} s"
            )
            faults.add(draft.place, message)


def arrange(channels: Iterable[Channel]) -> tuple[Channel, ...]:
    """Return channels in their order: measured, derived, their faults, the gateways' faults.

    Measured ones stand in the order given, and so do derived ones, which must come inputs first.
    Faults stand in the order of what they watch.
    """
    channels = list(channels)
    measured = [one for one in channels if one.fault is None and one.feature is None]
    derived = [one for one in channels if one.fault is None and one.feature is not None]
    place = {one.id: index for index, one in enumerate([*measured, *derived])}
    faults = [one for one in channels if one.fault_of is not None]
    gateways = [one for one in channels if one.fault is not None and one.fault_of is None]
    faults.sort(key=lambda one: (place[one.fault_of or ""], _FAULT_ORDER[one.fault]))  # type: ignore[index]
    return (*measured, *derived, *faults, *gateways)
