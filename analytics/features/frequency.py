"""``frequency``: the dominant frequency of a waveform within a band, each ``step_s``.

The band is shifted to 0 Hz and thinned out (Hann-weighted means over 1 / width, four to that span), so
that ten minutes of a bridge's swing are some thousand complex numbers. Their autocorrelation, up to
lags of 16 / width, is summed in cells [k * step, (k + 1) * step); its Fourier transform over the window is
the smoothed spectrum (Blackman and Tukey, 1958). The value is its highest point, refined by a parabola
through the logarithms of it and its neighbours, at the event time (k + 1) * step, made by the first
reading behind the cell and where at least a quarter of the window has data. A peak at the band's edge
gives the edge: a mode that left the band must not fall silent.

Parts of a gap are left out. The cost is two complex products a sample, and none that grows with the
window; resolution is about an eighth of the band, and the peak is found far finer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import CELLS_MAX, Parameter, grid, refuse_grid
from compiled import njit
from domain.catalogue import Channel

INPUTS = 1
PARAMETERS = (
    Parameter("centre_hz", "middle of the band", "Hz", low=0.0, above=True),
    Parameter("width_hz", "width of the band", "Hz", low=0.0, above=True),
    Parameter("window_s", "readings of so long are taken together", "s", low=0.0, above=True),
    Parameter("step_s", "a value is made each so many seconds", "s", low=0.0, above=True),
)
OVERLAP = 4  # thinned values reach over four of their steps
LAGS = 64  # 16 / width
BINS = 65  # of the spectrum, over the band
VALUE_MAX = 1e100  # beyond any instrument; its square still is a number
CELL = np.dtype([("real", "f8"), ("imag", "f8"), ("weight", "f8")])
RECORD = np.dtype(
    [
        ("first", "i8"),  # of the cells: OVERLAP sums, LAGS thinned values, then LAGS a step
        ("cells", "i8"),
        ("step_ns", "i8"),
        ("steps", "i8"),
        ("thin_ns", "i8"),
        ("weight_full", "f8"),
        ("centre_hz", "f8"),
        ("width_hz", "f8"),
        ("memory", "f8"),  # samples that the mean is taken of, at most
        ("open", "i8"),  # the step that is under way; -1: none yet
        ("thin", "i8"),  # the thinned value that begins now
        ("last_ns", "i8"),
        ("delta_ns", "i8"),  # between samples, for which the turns hold
        ("known", "f8"),
        ("mean", "f8"),
        ("shift_real", "f8"),  # exp(-i centre t), and what it turns by in a sample
        ("shift_imag", "f8"),
        ("shift_turn_real", "f8"),
        ("shift_turn_imag", "f8"),
        ("hann_real", "f8"),  # where in its span a sample lies, as an angle
        ("hann_imag", "f8"),
        ("hann_turn_real", "f8"),
        ("hann_turn_imag", "f8"),
        ("samples", "f8"),  # since the thinned value began: their count and sum, ...
        ("sum_real", "f8"),
        ("sum_imag", "f8"),
        ("cosines", "f8"),  # ... and the same under the cosine and the sine of the Hann angle
        ("cosine_real", "f8"),
        ("cosine_imag", "f8"),
        ("sines", "f8"),
        ("sine_real", "f8"),
        ("sine_imag", "f8"),
    ]
)


def configure(
    parameters: Mapping[str, Any], inputs: Sequence[Channel]
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return band and grids, and the cells, empty."""
    step_ns, steps = grid(parameters["window_s"], parameters["step_s"])
    thin_ns = max(1, round(1e9 / (OVERLAP * parameters["width_hz"])))
    interval_s = inputs[0].sample_interval_s
    return {
        "step_ns": step_ns,
        "steps": steps,
        "thin_ns": thin_ns,
        "weight_full": 0.5 * OVERLAP * thin_ns * 1e-9 / interval_s,
        "centre_hz": parameters["centre_hz"],
        "width_hz": parameters["width_hz"],
        "memory": max(1.0, parameters["window_s"] / interval_s),
        "open": -1,
        "thin": -1,
    }, np.zeros(OVERLAP + LAGS * (steps + 1), CELL)


def refuse(parameters: Mapping[str, Any]) -> list[str]:
    """Want a band above 0 Hz, steps that hold data, and a bounded state."""
    faults = refuse_grid(parameters["window_s"], parameters["step_s"])
    if 2.0 * parameters["centre_hz"] < parameters["width_hz"]:
        faults.append("the band must lie above 0 Hz: width_hz at most twice centre_hz")
    if parameters["width_hz"] > 1e6:
        faults.append("width_hz must be at most 1e+06")
    if LAGS * (grid(parameters["window_s"], parameters["step_s"])[1] + 1) > CELLS_MAX:
        most = CELLS_MAX // LAGS - 1
        faults.append(f"window_s / step_s must be at most {most} for a frequency")
    return faults


@njit
def _clear(record: Any) -> None:
    """Empty the sums of the thinned value under way."""
    record["samples"] = record["sum_real"] = record["sum_imag"] = 0.0
    record["cosines"] = record["cosine_real"] = record["cosine_imag"] = 0.0
    record["sines"] = record["sine_real"] = record["sine_imag"] = 0.0


@njit
def _forget(record: Any, cells: Any) -> None:
    """Begin anew: nothing summed, nothing thinned."""
    record["open"] = record["thin"] = -1
    _clear(record)
    for k in range(record["first"], record["first"] + record["cells"]):
        cells[k]["real"] = cells[k]["imag"] = cells[k]["weight"] = 0.0


@njit
def _finish(record: Any, cells: Any, index: int) -> None:
    """Take a thinned value that is complete into the autocorrelation of the step under way."""
    first = record["first"]
    done = cells[first + index % OVERLAP]
    values = first + OVERLAP
    cell = cells[values + index % LAGS]
    cell["weight"] = 0.0
    if done["weight"] >= 0.75 * record["weight_full"]:
        cell["real"] = done["real"] / done["weight"]
        cell["imag"] = done["imag"] / done["weight"]
        cell["weight"] = 1.0
        sums = values + LAGS * (1 + record["open"] % record["steps"])
        real, imag = cell["real"], cell["imag"]
        for lag in range(LAGS):
            other = cells[values + (index - lag) % LAGS]
            if other["weight"] > 0.0:
                product = cells[sums + lag]
                product["real"] += real * other["real"] + imag * other["imag"]
                product["imag"] += imag * other["real"] - real * other["imag"]
                product["weight"] += 1.0
    done["real"] = done["imag"] = done["weight"] = 0.0


@njit
def _share_out(record: Any, cells: Any) -> None:
    """Give the samples since ``thin`` to the four spans that they lie in, a quarter further in each."""
    for k in range(OVERLAP):
        sign = -0.5 if k in (0, 3) else 0.5
        cell = cells[record["first"] + (record["thin"] - k) % OVERLAP]
        if k % 2 == 0:
            cell["real"] += 0.5 * record["sum_real"] + sign * record["cosine_real"]
            cell["imag"] += 0.5 * record["sum_imag"] + sign * record["cosine_imag"]
            cell["weight"] += 0.5 * record["samples"] + sign * record["cosines"]
        else:
            cell["real"] += 0.5 * record["sum_real"] + sign * record["sine_real"]
            cell["imag"] += 0.5 * record["sum_imag"] + sign * record["sine_imag"]
            cell["weight"] += 0.5 * record["samples"] + sign * record["sines"]
    _clear(record)


@njit
def _begin_thin(record: Any, cells: Any, index: int) -> None:
    """Move on to the thinned value ``index``; those between, of a gap, are left out."""
    last = record["thin"]
    if last >= 0:
        _share_out(record, cells)
        for k in range(last - OVERLAP + 1, min(index, last + LAGS + 1) - OVERLAP + 1):
            if k >= 0:
                _finish(record, cells, k)
        if index > last + LAGS:  # a gap as long as all that is remembered
            for k in range(record["first"], record["first"] + OVERLAP + LAGS):
                cells[k]["real"] = cells[k]["imag"] = cells[k]["weight"] = 0.0
    record["thin"] = index
    record["delta_ns"] = 0


@njit
def _turn(record: Any, time_ns: int) -> None:
    """Bring both angles to ``time_ns``: by one turn where the samples come evenly, else anew."""
    delta_ns = time_ns - record["last_ns"]
    if delta_ns == record["delta_ns"] and delta_ns > 0:
        real, imag = record["shift_real"], record["shift_imag"]
        turn, other = record["shift_turn_real"], record["shift_turn_imag"]
        record["shift_real"] = real * turn - imag * other
        record["shift_imag"] = real * other + imag * turn
        real, imag = record["hann_real"], record["hann_imag"]
        turn, other = record["hann_turn_real"], record["hann_turn_imag"]
        record["hann_real"] = real * turn - imag * other
        record["hann_imag"] = real * other + imag * turn
        return
    thin_ns, centre_hz = record["thin_ns"], record["centre_hz"]
    within_ns = time_ns - record["thin"] * thin_ns
    turns = (record["thin"] * (centre_hz * thin_ns * 1e-9)) % 1.0 + centre_hz * within_ns * 1e-9
    record["shift_real"] = np.cos(2.0 * np.pi * turns)
    record["shift_imag"] = -np.sin(2.0 * np.pi * turns)
    record["hann_real"] = np.cos(2.0 * np.pi * within_ns / (OVERLAP * thin_ns))
    record["hann_imag"] = np.sin(2.0 * np.pi * within_ns / (OVERLAP * thin_ns))
    angle = 2.0 * np.pi * centre_hz * delta_ns * 1e-9
    record["shift_turn_real"], record["shift_turn_imag"] = np.cos(angle), -np.sin(angle)
    angle = 2.0 * np.pi * delta_ns / (OVERLAP * thin_ns)
    record["hann_turn_real"], record["hann_turn_imag"] = np.cos(angle), np.sin(angle)
    record["delta_ns"] = delta_ns


@njit
def _power(record: Any, real: Any, imag: Any, offset_hz: float) -> float:
    """Return the smoothed spectrum, ``offset_hz`` from the middle of the band."""
    angle = 2.0 * np.pi * offset_hz * record["thin_ns"] * 1e-9
    turn, other = np.cos(angle), np.sin(angle)
    cosine, sine, power = 1.0, 0.0, 0.5 * real[0]
    for lag in range(1, LAGS):
        cosine, sine = cosine * turn - sine * other, cosine * other + sine * turn
        power += real[lag] * cosine + imag[lag] * sine
    # What the Hann-weighted means take from the band's edges is given back.
    place = offset_hz * OVERLAP * record["thin_ns"] * 1e-9
    return float(power / (np.sinc(place) / (1.0 - place * place)) ** 2)


@njit
def _dominant(record: Any, cells: Any) -> float:
    """Return the frequency at which the window's spectrum is highest; NaN where data are few."""
    real, imag, weight = np.zeros(LAGS), np.zeros(LAGS), np.zeros(LAGS)
    for step in range(max(0, record["open"] - record["steps"] + 1), record["open"] + 1):
        sums = record["first"] + OVERLAP + LAGS * (1 + step % record["steps"])
        for lag in range(LAGS):
            real[lag] += cells[sums + lag]["real"]
            imag[lag] += cells[sums + lag]["imag"]
            weight[lag] += cells[sums + lag]["weight"]
    full = record["steps"] * record["step_ns"] / record["thin_ns"]
    if weight[0] < 1.0 or weight[0] < 0.25 * full:
        return np.nan
    for lag in range(LAGS):
        taper = (0.5 + 0.5 * np.cos(np.pi * lag / LAGS)) / max(weight[lag], 1.0)
        real[lag] *= taper
        imag[lag] *= taper
    width_hz = record["width_hz"]
    power = np.empty(BINS)
    for k in range(BINS):
        power[k] = _power(record, real, imag, width_hz * (k / (BINS - 1) - 0.5))
    best = int(np.argmax(power))
    place = float(best)
    if 0 < best < BINS - 1 and min(power[best - 1], power[best + 1]) > 0.0:
        below, peak, above = np.log(power[best - 1]), np.log(power[best]), np.log(power[best + 1])
        bend = below - 2.0 * peak + above
        if bend < 0.0:
            place += 0.5 * (below - above) / bend
    return float(record["centre_hz"] + width_hz * (place / (BINS - 1) - 0.5))


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:
    """Emit the dominant frequency at each input that completes a step."""
    count = 0
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        time_ns = inputs.time_ns[i]
        if inputs.restarted[i]:
            _forget(record, cells)
        thin, step = time_ns // record["thin_ns"], time_ns // record["step_ns"]
        if thin != record["thin"]:
            _begin_thin(record, cells, thin)
        if step != record["open"]:
            if record["open"] >= 0:
                outputs.source[count] = i
                outputs.time_ns[count] = (record["open"] + 1) * record["step_ns"]
                outputs.value[count] = _dominant(record, cells)
                count += 1
            for k in range(max(record["open"] + 1, step - record["steps"] + 1), step + 1):
                sums = record["first"] + OVERLAP + LAGS * (1 + k % record["steps"])
                for lag in range(LAGS):
                    cell = cells[sums + lag]
                    cell["real"] = cell["imag"] = cell["weight"] = 0.0
            record["open"] = step
        _turn(record, time_ns)
        record["last_ns"] = time_ns
        value = min(max(inputs.value[i], -VALUE_MAX), VALUE_MAX)
        if record["known"] < record["memory"]:
            record["known"] += 1.0
        record["mean"] += (value - record["mean"]) / record["known"]
        real = (value - record["mean"]) * record["shift_real"]
        imag = (value - record["mean"]) * record["shift_imag"]
        cosine, sine = record["hann_real"], record["hann_imag"]
        record["samples"] += 1.0
        record["sum_real"] += real
        record["sum_imag"] += imag
        record["cosines"] += cosine
        record["cosine_real"] += cosine * real
        record["cosine_imag"] += cosine * imag
        record["sines"] += sine
        record["sine_real"] += sine * real
        record["sine_imag"] += sine * imag
    return count
