"""What people read: the words for grades, conditions and transitions, and an alarm's own text.

Chinese and English say the same. A text must be true to the letter: it says "over the limit" only
where the value is over it, and of a fault it says what is wrong with the instrument, never that
the facility is in danger.
"""

from datetime import UTC, datetime, timedelta, tzinfo

from domain.alarm import Alarm, TransitionKind
from domain.catalogue import Catalogue, Channel, Text
from domain.grade import Condition, Grade, Quality

GRADE_TEXT = {
    Grade.NORMAL: Text("正常", "normal"),
    Grade.BLUE: Text("蓝色", "blue"),
    Grade.YELLOW: Text("黄色", "yellow"),
    Grade.ORANGE: Text("橙色", "orange"),
    Grade.RED: Text("红色", "red"),
}

QUALITY_TEXT = {
    Quality.PASS: Text("合格", "pass"),
    Quality.UNKNOWN: Text("未检", "unknown"),
    Quality.SUSPECT: Text("可疑", "suspect"),
    Quality.FAIL: Text("不合格", "fail"),
    Quality.MISSING: Text("缺失", "missing"),
}

CONDITION_TEXT = {
    Condition.HIGH: Text("超上限", "over the high limit"),
    Condition.LOW: Text("超下限", "under the low limit"),
    Condition.RANGE: Text("超量程", "out of range"),
    Condition.STUCK: Text("数值不变", "stuck"),
    Condition.SILENT: Text("信号中断", "silent"),
    Condition.CLOCK: Text("时钟异常", "clock"),
    Condition.NOISE: Text("噪声过大", "noise"),
    Condition.OVERLOAD: Text("上报超限", "overload"),
}

TRANSITION_TEXT = {
    TransitionKind.RAISED: Text("发生", "raised"),
    TransitionKind.RISEN: Text("升级", "risen"),
    TransitionKind.FALLEN: Text("降级", "fallen"),
    TransitionKind.RETURNED: Text("恢复", "returned to normal"),
    TransitionKind.REACTIVATED: Text("再次发生", "active again"),
    TransitionKind.ACKNOWLEDGED: Text("确认", "acknowledged"),
    TransitionKind.RESET: Text("复位", "reset"),
    TransitionKind.ENDED: Text("结束", "ended"),
}

# By ``Transition.reason``, where it is a law's and not a person's comment.
REASON_TEXT = {
    "normal and acknowledged": Text("已恢复且已确认", "normal and acknowledged"),
    "channel removed": Text("测点已撤销", "channel removed"),
    "limit removed": Text("限值已撤销", "limit removed"),
    "channel in commissioning": Text("测点转入调试", "channel in commissioning"),
}

_SIGNIFICANT_DIGITS = 4
_SIGNIFICANT_DIGITS_MAX = 17  # any two float64 differ within these
_CLOSE_TO_THE_NUMBER = ("%", "‰", "°")


def alarm_text(alarm: Alarm, catalogue: Catalogue, zone: tzinfo | None = None) -> Text:
    """Return the alarm as it stands, in one line; with the event time where a ``zone`` is given.

    Names and units come from the catalogue; an id stands for what it does not hold any longer.
    """
    place = _place(alarm, catalogue)
    told = _fault(alarm) if alarm.instrument else _condition(alarm, catalogue)
    late = Text("（补传数据）", " (reported late)") if alarm.delayed else Text("", "")
    since = _since(alarm, zone) if zone is not None else Text("", "")
    return Text(
        f"{place.zh} {told.zh}{late.zh}{since.zh}", f"{place.en}: {told.en}{late.en}{since.en}"
    )


def format_value(value: float, significant_digits: int = _SIGNIFICANT_DIGITS) -> str:
    """Return ``value`` to so many significant digits, its whole part never rounded away.

    >>> format_value(152.2999999), format_value(123456.7), format_value(0.000123456)
    ('152.3', '123457', '0.0001235')
    """
    if value == 0:
        return "0"  # and never "-0"
    if not 1e-6 <= abs(value) < 1e15:
        return f"{value:.{significant_digits}g}"
    magnitude = int(f"{value:e}".partition("e")[2])
    decimals = max(0, significant_digits - 1 - magnitude)
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_pair(value: float, limit: float) -> tuple[str, str]:
    """Return a value and its limit with as many digits as it takes to tell them apart.

    >>> format_pair(150.004, 150.0), format_pair(150.0, 150.0)
    (('150.004', '150'), ('150', '150'))
    """
    for digits in range(_SIGNIFICANT_DIGITS, _SIGNIFICANT_DIGITS_MAX + 1):
        texts = format_value(value, digits), format_value(limit, digits)
        if texts[0] != texts[1] or value == limit:
            break
    return texts


def _channel(alarm: Alarm, catalogue: Catalogue) -> Channel | None:
    index = catalogue.channel_index.get(alarm.channel)
    return catalogue.channels[index] if index is not None else None


def _place(alarm: Alarm, catalogue: Catalogue) -> Text:
    """Return the facility's and the channel's names, or the gateway's where that is at fault."""
    facility = catalogue.facility_by_id.get(alarm.facility)
    of = facility.name if facility is not None else Text(alarm.facility, alarm.facility)
    channel = _channel(alarm, catalogue)
    name = channel.name if channel is not None else Text(alarm.channel, alarm.channel)
    if channel is not None and channel.fault is not None and channel.gateway is not None:
        index = catalogue.gateway_index.get(channel.gateway)
        name = catalogue.gateways[index].name if index is not None else name
    return Text(f"{of.zh} {name.zh}".strip(), ", ".join(filter(None, (of.en, name.en))))


def _condition(alarm: Alarm, catalogue: Catalogue) -> Text:
    """Return what a condition of the facility is: its grade, value and limit."""
    channel = _channel(alarm, catalogue)
    coded = channel is not None and channel.feature is not None and channel.feature.kind == "code"
    measure = _code_measure() if coded else _measure(alarm, channel, catalogue)
    peak = GRADE_TEXT[alarm.peak_grade]
    if alarm.active:
        grade, side = GRADE_TEXT[alarm.grade], CONDITION_TEXT[alarm.condition]
        title = f"{grade.zh}预警" if coded else f"{side.zh} {grade.zh}预警"
        return Text(f"{title}：{measure.zh}", f"{grade.en}, {measure.en}")
    if alarm.cleared_at_ns is None:
        return Text(
            f"{peak.zh}预警已撤销（未见恢复）：{measure.zh}",
            f"closed after {peak.en} without a return to normal, {measure.en}",
        )
    return Text(
        f"已恢复正常（最高{peak.zh}）：{measure.zh}",
        f"back to normal after {peak.en}, {measure.en}",
    )


def _code_measure() -> Text:
    """Return what a graded code says: its value is the grade itself, and no quantity."""
    return Text("设备上报状态", "by the state it reports")


def _measure(alarm: Alarm, channel: Channel | None, catalogue: Catalogue) -> Text:
    """Return value and limit with their unit, and how they stand to one another."""
    quantity = catalogue.quantity_by_id.get(channel.quantity) if channel is not None else None
    symbol = quantity.symbol if quantity is not None else Text("", "")
    value, limit = format_pair(alarm.value, alarm.limit)
    value_zh, value_en = _with_unit(value, symbol.zh), _with_unit(value, symbol.en)
    limit_zh, limit_en = _with_unit(limit, symbol.zh), _with_unit(limit, symbol.en)
    if not alarm.active:
        return Text(f"{value_zh}，限值 {limit_zh}", f"{value_en}, limit {limit_en}")
    high = alarm.condition is Condition.HIGH
    beyond = alarm.value > alarm.limit if high else alarm.value < alarm.limit
    if beyond:
        word = "over" if high else "under"
        return Text(f"{value_zh}，限值 {limit_zh}", f"{value_en} is {word} the limit of {limit_en}")
    if alarm.value == alarm.limit:
        return Text(f"{value_zh}，达到限值", f"{value_en} is at the limit")
    return Text(  # held by its deadband or off-delay
        f"{value_zh}，限值 {limit_zh} 尚未解除",
        f"{value_en}, the limit of {limit_en} is not released yet",
    )


def _with_unit(number: str, symbol: str) -> str:
    return f"{number}{'' if symbol in _CLOSE_TO_THE_NUMBER or not symbol else ' '}{symbol}"


def _fault(alarm: Alarm) -> Text:
    """Return what is wrong with the instrument."""
    what = CONDITION_TEXT[alarm.condition]
    peak = GRADE_TEXT[alarm.peak_grade]
    if alarm.active:
        grade, detail = GRADE_TEXT[alarm.grade], _fault_detail(alarm)
        return Text(
            f"仪表故障（{grade.zh}）：{what.zh}，{detail.zh}",
            f"instrument fault ({grade.en}): {what.en}, {detail.en}",
        )
    if alarm.cleared_at_ns is None:
        return Text(
            f"仪表故障已撤销（未见恢复）：{what.zh}",
            f"instrument fault closed without its end being seen: {what.en}",
        )
    return Text(
        f"仪表故障已消除（最高{peak.zh}）：{what.zh}",
        f"instrument fault is over after {peak.en}: {what.en}",
    )


def _fault_detail(alarm: Alarm) -> Text:
    """Return what the value of a fault channel means."""
    match alarm.condition:
        case Condition.RANGE:
            return Text("读数超出仪表量程", "a reading outside the instrument's range")
        case Condition.STUCK:
            return Text("读数长时间不变", "its readings do not change")
        case Condition.SILENT:
            count = format_value(alarm.value)
            intervals = "interval" if alarm.value == 1 else "intervals"
            return Text(
                f"已缺 {count} 个上报周期", f"nothing heard for {count} expected {intervals}"
            )
        case Condition.NOISE:
            share = f"{alarm.value:.0%}"
            return Text(
                f"最近 32 个读数中 {share} 异常", f"{share} of the last 32 readings are implausible"
            )
        case Condition.OVERLOAD:
            count = format_value(alarm.value)
            messages = "message" if alarm.value == 1 else "messages"
            return Text(
                f"上报超出限额，一秒内拒收 {count} 条报文",
                f"it sends more than it may: {count} {messages} refused within a second",
            )
    return _clock_detail(alarm)


def _clock_detail(alarm: Alarm) -> Text:
    """Return what a clock fault says; above 1 its value is a grade that must not be lost."""
    worst = round(alarm.value) if 1 < alarm.value <= Grade.RED else 0
    if worst < Grade.YELLOW:
        return Text("读数时间不可信", "the times of its readings cannot be trusted")
    grade = GRADE_TEXT[Grade(worst)]
    return Text(
        f"读数时间不可信，被隔离的读数若属实为{grade.zh}",
        f"the times of its readings cannot be trusted; the refused ones, if true, are {grade.en}",
    )


def _since(alarm: Alarm, zone: tzinfo) -> Text:
    """Return when the alarm was raised, or came back to normal, or was closed."""
    if alarm.active:
        at = _local(alarm.raised_at_ns, zone)
        return Text(f"，自 {at} 起", f", since {at}")
    ended_ns = alarm.cleared_at_ns if alarm.cleared_at_ns is not None else alarm.ended_at_ns
    at = _local(ended_ns if ended_ns is not None else alarm.raised_at_ns, zone)
    return Text(f"，{at}", f", at {at}")


def _local(time_ns: int, zone: tzinfo) -> str:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    local = (epoch + timedelta(seconds=time_ns // 1_000_000_000)).astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M:%S")
