"""The judgement of readings against checks and graded limits, in one compiled pass.

The rules are those of the design, section 4 ("Time", "Limits", "Quality"). Where they leave a
choice, this is the one made:

- A watermark restarts when late readings alone have come for three sample (or upload) intervals,
  counted from the first of them by received time: a redelivered backlog is shorter than that.
- The flat line check wants a reading at least ``flat_s`` old from which on all readings, this one
  included, lie within the tolerance; so sparse readings are not flat by default. A gap ends the run.
- N of M readings open the on-delay and keep it open; a limit becomes held at a reading that itself
  exceeds. A release empties the history, or the readings before it would raise the alarm again.
"""

import numpy as np

from analytics.flat import extend_flat_run
from analytics.layout import (
    CHECK_CHANGE,
    CHECK_FLAT,
    DERIVED,
    FAULT_CLOCK,
    FAULT_NOISE,
    FAULT_RANGE,
    FAULT_STUCK,
    FLAG_RESTARTED,
    HEARD,
    LOG_READINGS,
    MEASURED,
    NOISE_READINGS,
    NONE_NS,
    PASSING,
    STATE,
    Columns,
    Findings,
    Tables,
    Verdict,
)
from compiled import njit
from compiled.machine import prefetch
from domain.readings import FLAG_FUTURE, FLAG_LATE

_PASS, _UNKNOWN, _SUSPECT, _FAIL, _MISSING = 1, 2, 3, 4, 9
_ITEMS = 5  # a reading and its four fault channels
_AHEAD = 12  # readings: about as long as memory takes
_NOISE_MASK = (1 << NOISE_READINGS) - 1


@njit
def judge_readings(
    mode: int, start: int, tables: Tables, readings: Columns, verdict: Verdict, findings: Findings
) -> int:
    """Judge ``readings`` from ``start`` on, in order; return the index of the first not judged.

    It stops early where there is no room left to report, or no free log: the caller makes room and
    goes on. ``mode``: MEASURED (late, future and restart rules apply), DERIVED (only an upstream
    restart takes its time back), STATE (values of fault channels, with a given quality, unchecked),
    PASSING (no reading: the delays of a channel that reports on change run on, at its last value).
    """
    channels = tables.channels
    limits = tables.limits
    ladders = tables.ladders
    logs = tables.logs
    free = tables.free
    changes = findings.changes
    rises = findings.rises
    found = findings.found
    item_channel = np.empty(_ITEMS, np.int64)
    item_time = np.empty(_ITEMS, np.int64)
    item_value = np.empty(_ITEMS, np.float64)
    item_quality = np.empty(_ITEMS, np.int64)
    item_bit = np.empty(_ITEMS, np.int64)
    one = np.uint64(1)
    zero = np.uint64(0)

    count = len(readings.channel)
    new = mode <= DERIVED  # readings, not states or the passing of time
    for i in range(start, count):
        c = readings.channel[i]
        channel = channels[c]
        time_ns = readings.time_ns[i]
        value = readings.value[i]
        newest_ns = channel["newest_ns"]
        if i + _AHEAD < count:
            prefetch(channels, readings.channel[i + _AHEAD])
        # Nearly every reading is the next one of a channel at rest, and well within its bounds. What
        # follows for it is little, and done here; all else goes the long way below.
        if (
            new
            and channel["awake"] == 0
            and channel["fault_live"] == 0
            and channel["behind_since_ns"] == 0
            and channel["calm_low"] < value < channel["calm_high"]
            and time_ns > newest_ns
            and not readings.flags[i] & FLAG_FUTURE
        ):
            checks = channel["checks"]
            good = channel["last_good"]
            usual = True
            if checks:
                if checks & CHECK_CHANGE and not np.isnan(good):
                    jump = abs(value - good)
                    usual = jump <= channel["spike"] and jump <= channel["rate_per_ns"] * (
                        time_ns - channel["last_good_ns"]
                    )
                if usual and checks & CHECK_FLAT:
                    usual = channel["ladder"] < 0 and value != channel["flat_value"]
                if usual:
                    channel["previous"] = value
                    if checks & CHECK_FLAT:
                        channel["flat_since_ns"] = time_ns
                        channel["flat_value"] = value
            if usual:
                tables.marks[c] = HEARD
                channel["newest_ns"] = time_ns
                channel["value"] = value
                channel["quality"] = _PASS
                channel["last_good"] = value
                channel["last_good_ns"] = time_ns
                continue

        if (
            found[0] + 2 * _ITEMS > len(changes)
            or found[1] + 2 * _ITEMS > len(rises.length)
            or free[0] < _ITEMS
        ):
            return i
        received_ns = readings.received_ns[i]
        items = 0
        quality = _PASS
        judged = True
        restarted = False

        if mode == MEASURED:
            tables.marks[c] = HEARD
            if readings.flags[i] & FLAG_FUTURE:
                judged = False
                quality = _MISSING
                if channel["clock_channel"] >= 0:
                    worst = 1
                    if channel["fail_low"] <= value <= channel["fail_high"]:
                        for k in range(channel["limit_count"]):
                            limit = limits[channel["limit_first"] + k]
                            over = (
                                value <= limit["value"]
                                if limit["low"]
                                else (value >= limit["value"])
                            )
                            if over and limit["grade"] > worst:
                                worst = limit["grade"]
                    item_channel[0] = channel["clock_channel"]
                    item_time[0] = received_ns
                    item_value[0] = worst
                    item_quality[0] = _PASS
                    item_bit[0] = FAULT_CLOCK
                    items = 1
            elif time_ns <= newest_ns:
                if channel["behind_since_ns"] == 0:
                    channel["behind_since_ns"] = received_ns
                if received_ns - channel["behind_since_ns"] < channel["restart_ns"]:
                    judged = False
                    verdict.flags[i] |= FLAG_LATE
                    if value < channel["fail_low"] or value > channel["fail_high"]:
                        quality = _FAIL
                    elif value < channel["suspect_low"] or value > channel["suspect_high"]:
                        quality = _SUSPECT
                    elif channel["checks"]:
                        quality = _UNKNOWN  # the checks that need the readings before it
                else:
                    restarted = True
                    channel["behind_since_ns"] = 0
            elif channel["behind_since_ns"] != 0:
                channel["behind_since_ns"] = 0
        elif mode == DERIVED:
            tables.marks[c] = HEARD
            restarted = time_ns <= newest_ns
        elif mode == STATE:
            quality = verdict.quality[i]
        else:
            quality = _UNKNOWN

        if judged and new:
            if restarted:
                verdict.flags[i] |= FLAG_RESTARTED
                channel["last_good"] = np.nan
                channel["previous"] = np.nan
            out_of_range = value < channel["fail_low"] or value > channel["fail_high"]
            unsteady = False
            stuck = False
            if out_of_range:
                quality = _FAIL
                channel["previous"] = np.nan
            else:
                if value < channel["suspect_low"] or value > channel["suspect_high"]:
                    quality = _SUSPECT
                if channel["checks"]:
                    good = channel["last_good"]
                    if channel["checks"] & CHECK_CHANGE and not np.isnan(good):
                        jump = abs(value - good)
                        if jump > channel["spike"] and not (
                            abs(value - channel["previous"]) <= channel["spike"]
                        ):
                            quality = _FAIL
                            unsteady = True
                        elif jump > channel["rate_per_ns"] * (time_ns - channel["last_good_ns"]):
                            quality = _SUSPECT
                            unsteady = True
                    channel["previous"] = value
                    if channel["checks"] & CHECK_FLAT and quality != _FAIL:
                        fresh = np.isnan(good) or time_ns - newest_ns > channel["gap_ns"]
                        extend_flat_run(channel, ladders, time_ns, value, fresh)
                        stuck = time_ns - channel["flat_since_ns"] >= channel["flat_ns"]
                        if stuck:
                            quality = _SUSPECT

            item_channel[0] = c
            item_time[0] = time_ns
            item_value[0] = value
            item_quality[0] = quality
            item_bit[0] = 0
            items = 1
            live = channel["fault_live"]
            if (out_of_range or live & FAULT_RANGE) and channel["range_channel"] >= 0:
                item_channel[items] = channel["range_channel"]
                item_time[items] = time_ns
                item_value[items] = 1.0 if out_of_range else 0.0
                item_quality[items] = _PASS
                item_bit[items] = FAULT_RANGE
                items += 1
            if (stuck or live & FAULT_STUCK) and quality != _FAIL and channel["stuck_channel"] >= 0:
                item_channel[items] = channel["stuck_channel"]
                item_time[items] = time_ns
                item_value[items] = 1.0 if stuck else 0.0
                item_quality[items] = _PASS
                item_bit[items] = FAULT_STUCK
                items += 1
            if (unsteady or live & FAULT_NOISE) and channel["noise_channel"] >= 0:
                bits = channel["noise_bits"]
                bad = 1 if unsteady else 0
                noisy = channel["noise_count"] + bad - ((bits >> (NOISE_READINGS - 1)) & 1)
                channel["noise_bits"] = ((bits << 1) | bad) & _NOISE_MASK
                channel["noise_count"] = noisy
                item_channel[items] = channel["noise_channel"]
                item_time[items] = time_ns
                item_value[items] = noisy / NOISE_READINGS
                item_quality[items] = _PASS
                item_bit[items] = FAULT_NOISE
                items += 1
            if (restarted or live & FAULT_CLOCK) and channel["clock_channel"] >= 0:
                item_channel[items] = channel["clock_channel"]
                item_time[items] = received_ns
                item_value[items] = 1.0 if restarted else 0.0
                item_quality[items] = _PASS
                item_bit[items] = FAULT_CLOCK
                items += 1
        elif mode >= STATE:
            item_channel[0] = c
            item_time[0] = time_ns
            item_value[0] = value
            item_quality[0] = quality
            item_bit[0] = 0
            items = 1
        verdict.quality[i] = quality

        for item in range(items):
            c = item_channel[item]
            time_ns = item_time[item]
            value = item_value[item]
            quality = item_quality[item]
            judge = channels[c]
            before_ns = judge["newest_ns"]
            first = judge["limit_first"]
            graded = quality in (_PASS, _SUSPECT)
            if mode == PASSING:
                touched = False
                for k in range(judge["limit_count"]):
                    limit = limits[first + k]
                    if limit["held"]:
                        if limit["off_since_ns"] != NONE_NS:
                            touched |= time_ns - limit["off_since_ns"] >= limit["off_ns"]
                    elif limit["on_since_ns"] != NONE_NS:
                        over = (
                            value <= limit["value"] if limit["low"] else (value >= limit["value"])
                        )
                        touched |= over and time_ns - limit["on_since_ns"] >= limit["on_ns"]
            else:
                touched = judge["awake"] != 0 or (
                    graded and not judge["quiet_low"] < value < judge["quiet_high"]
                )
            if touched:
                slot = judge["log"]
                if slot < 0:
                    slot = free[free[0]]
                    free[0] -= 1
                    judge["log"] = slot
                    logs.length[slot] = LOG_READINGS
                if logs.length[slot] == LOG_READINGS:
                    logs.length[slot] = 0
                    logs.newest_ns[slot] = before_ns
                    for k in range(judge["limit_count"]):
                        limit = limits[first + k]
                        logs.held[slot, k] = limit["held"]
                        logs.on_since_ns[slot, k] = limit["on_since_ns"]
                        logs.off_since_ns[slot, k] = limit["off_since_ns"]
                        logs.history[slot, k] = limit["history"]
                place = logs.length[slot]
                if place == 0:
                    logs.first_seq[slot] = readings.seq[i]
                logs.time_ns[slot, place] = time_ns
                logs.value[slot, place] = value
                logs.quality[slot, place] = quality
                logs.length[slot] = place + 1

                backwards = mode != PASSING and time_ns < before_ns
                broken = backwards or (
                    mode != PASSING and before_ns > 0 and time_ns - before_ns > judge["gap_ns"]
                )
                awake = False
                high = 0
                low = 0
                high_limit = np.nan
                low_limit = np.nan
                high_released = np.nan
                low_released = np.nan
                for k in range(judge["limit_count"]):
                    limit = limits[first + k]
                    if broken:
                        limit["on_since_ns"] = NONE_NS
                        if backwards:
                            limit["off_since_ns"] = NONE_NS
                    if graded or mode == PASSING:
                        if limit["low"]:
                            over = value <= limit["value"]
                            under = value > limit["release"]
                        else:
                            over = value >= limit["value"]
                            under = value < limit["release"]
                        open_ = over
                        if mode == PASSING:
                            open_ = limit["on_since_ns"] != NONE_NS
                        elif limit["m"] > 1:
                            history = limit["history"]
                            oldest = (history >> np.uint64(limit["m"] - 1)) & one
                            exceeding = limit["count"]
                            if over:
                                exceeding += 1
                            if oldest != zero:
                                exceeding -= 1
                            limit["count"] = exceeding
                            limit["history"] = ((history << one) | (one if over else zero)) & limit[
                                "mask"
                            ]
                            open_ = exceeding >= limit["n"]
                        if limit["held"]:
                            if under:
                                if limit["off_since_ns"] == NONE_NS and mode != PASSING:
                                    limit["off_since_ns"] = time_ns
                                if (
                                    limit["off_since_ns"] != NONE_NS
                                    and time_ns - limit["off_since_ns"] >= limit["off_ns"]
                                ):
                                    limit["held"] = 0
                                    limit["off_since_ns"] = NONE_NS
                                    limit["history"] = zero
                                    limit["count"] = 0
                                    if limit["low"]:
                                        if np.isnan(low_released):
                                            low_released = limit["value"]
                                    elif np.isnan(high_released):
                                        high_released = limit["value"]
                            else:
                                limit["off_since_ns"] = NONE_NS
                        elif open_:
                            if limit["on_since_ns"] == NONE_NS:
                                limit["on_since_ns"] = time_ns
                            if over and time_ns - limit["on_since_ns"] >= limit["on_ns"]:
                                limit["held"] = 1
                                limit["on_since_ns"] = NONE_NS
                                limit["off_since_ns"] = NONE_NS
                        else:
                            limit["on_since_ns"] = NONE_NS
                    if limit["held"]:
                        awake = True
                        if limit["low"]:
                            low = limit["grade"]
                            low_limit = limit["value"]
                        else:
                            high = limit["grade"]
                            high_limit = limit["value"]
                    elif limit["on_since_ns"] != NONE_NS or limit["history"] != zero:
                        awake = True

                for side in range(2):
                    previous = judge["low"] if side else judge["high"]
                    grade = low if side else high
                    if grade == previous:
                        continue
                    change = changes[found[0]]
                    found[0] += 1
                    change["reading"] = i
                    change["channel"] = c
                    change["side"] = side
                    change["previous"] = previous
                    change["grade"] = grade
                    change["time_ns"] = time_ns
                    change["value"] = value
                    if grade:
                        change["limit"] = low_limit if side else high_limit
                    else:
                        change["limit"] = low_released if side else high_released
                    change["rise"] = -1
                    if grade > previous:
                        rise = found[1]
                        found[1] += 1
                        change["rise"] = rise
                        rises.length[rise] = logs.length[slot]
                        rises.first_seq[rise] = logs.first_seq[slot]
                        rises.newest_ns[rise] = logs.newest_ns[slot]
                        for k in range(judge["limit_count"]):
                            rises.held[rise, k] = logs.held[slot, k]
                            rises.on_since_ns[rise, k] = logs.on_since_ns[slot, k]
                            rises.off_since_ns[rise, k] = logs.off_since_ns[slot, k]
                            rises.history[rise, k] = logs.history[slot, k]
                        for k in range(logs.length[slot]):
                            rises.time_ns[rise, k] = logs.time_ns[slot, k]
                            rises.value[rise, k] = logs.value[slot, k]
                            rises.quality[rise, k] = logs.quality[slot, k]
                judge["high"] = high
                judge["low"] = low
                judge["awake"] = 1 if awake else 0
                if not awake:
                    judge["log"] = -1
                    free[0] += 1
                    free[free[0]] = slot
            if mode != PASSING:
                judge["newest_ns"] = time_ns
                judge["value"] = value
                judge["quality"] = quality
                if graded:
                    judge["last_good"] = value
                    judge["last_good_ns"] = time_ns
            bit = item_bit[item]
            if bit:
                tables.marks[c] = HEARD
                if judge["awake"] or value != 0.0:
                    channel["fault_live"] |= bit
                elif not channel["fault_always"] & bit:
                    channel["fault_live"] &= ~bit
    return len(readings.channel)
