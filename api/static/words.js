// The page's words in both languages, and how times and numbers are written.

const WORDS = {
  zh: {
    title: "城市生命线安全监测", facilities: "设施状态", alarms: "当前告警", trend: "监测曲线",
    facility: "设施", channel: "测点", quantity: "物理量", language: "English",
    live: "实时", connecting: "正在连接…", lost: "连接中断", stalled: "研判停滞",
    lostBanner: "数据自 {time} 起未更新，以下为中断前的状态，不代表当前情况。",
    stalledBanner: "服务在线，但研判时钟自 {time} 起未前进，以下不代表当前情况。",
    partial: "部分数据未能刷新：{detail}",
    notReady: "服务未就绪：{detail}",
    red: "红色", orange: "橙色", yellow: "黄色", blue: "蓝色", normal: "正常", none: "无数据",
    level_red: "Ⅰ级", level_orange: "Ⅱ级", level_yellow: "Ⅲ级", level_blue: "Ⅳ级",
    faults: "仪表故障", openAlarms: "告警 {n}", openFaults: "故障 {n}", noAlarms: "无告警",
    freshOf: "{n}/{of} 测点有新数据", noFresh: "无新数据", allFresh: "数据正常",
    unacknowledged: "未确认", acknowledged: "已确认", acknowledgedBy: "{who} 已确认",
    active: "持续中", returned: "已恢复", awaitingReset: "待复位",
    delayed: "延迟上报", delayedWhat: "触发该告警的数据到达时已过时",
    instrument: "仪表故障", peak: "最高{grade}",
    since: "{time} 发生", lasting: "已持续 {age}", clearedAt: "{time} 恢复",
    acknowledge: "确认", reset: "复位", none_open: "当前无未结束的告警",
    summary: "{n} 条未确认，共 {of} 条", more: "仅显示前 {n} 条",
    hour: "1 小时", six: "6 小时", day: "24 小时",
    newest: "最新值", limit: "限值", noReadings: "该时段内无读数", never: "从未上报",
    stale: "数据已过时", notGood: "质量码：{word}", loading: "正在读取…", band: "阴影为各时段最小值至最大值",
    q1: "合格", q2: "未检", q3: "可疑", q4: "不合格", q9: "缺失",
    inbox: "未登记测点", inboxWhat: "网关上送、台账中尚无的测点。登记后其读数开始入库并参与研判。",
    inboxNone: "没有未登记的测点", inboxEntry: "{n} 个读数，最近值 {value}，{time}",
    adopt: "登记", adoptWhat: "登记 {gateway} 的 {name}", channelId: "测点编号（设施内）",
    nameZh: "中文名称", nameEn: "英文名称", interval: "采样间隔（秒，可不填）", adopted: "已登记为 {id}",
    keyTitle: "请输入密钥", key: "密钥", keyWrite: "确认、复位和登记需要值班员或管理员密钥。",
    keyRead: "本服务要求凭密钥查看。", keyWrong: "密钥无效，请重新输入。",
    cancel: "取消", goOn: "确定", close: "关闭", failed: "操作未成功：{detail}", forbidden: "该密钥无此权限", unreachable: "无法连接服务",
    profilesNow: "{name}（{n} 处设施）", profileWhat: "正在执行该时段限值", commissioning: "调试中", commissioningOf: "调试中 {n}",
    seconds: "{n} 秒", minutes: "{n} 分钟", hours: "{n} 小时 {m} 分", days: "{n} 天 {m} 小时",
  },
  en: {
    title: "City lifeline monitoring", facilities: "Facilities", alarms: "Alarms", trend: "Trend",
    facility: "Facility", channel: "Channel", quantity: "Quantity", language: "中文",
    live: "Live", connecting: "Connecting…", lost: "Disconnected", stalled: "Judgement stalled",
    lostBanner: "Nothing new since {time}. What follows is the state before that, not the present.",
    stalledBanner: "The service answers, but its judgement has stood still since {time}. What follows is not the present.",
    partial: "Some of this could not be refreshed: {detail}",
    notReady: "The service is not ready: {detail}",
    red: "Red", orange: "Orange", yellow: "Yellow", blue: "Blue", normal: "Normal", none: "No data",
    level_red: "Grade I", level_orange: "Grade II", level_yellow: "Grade III", level_blue: "Grade IV",
    faults: "Instrument faults", openAlarms: "{n} open", openFaults: "Faults: {n}", noAlarms: "No alarms",
    freshOf: "{n} of {of} channels current", noFresh: "Nothing current", allFresh: "Data current",
    unacknowledged: "Unacknowledged", acknowledged: "Acknowledged", acknowledgedBy: "Acknowledged by {who}",
    active: "Active", returned: "Returned to normal", awaitingReset: "Awaiting reset",
    delayed: "Delayed", delayedWhat: "The readings that raised it were already old when they came",
    instrument: "Instrument fault", peak: "Peak {grade}",
    since: "Raised {time}", lasting: "for {age}", clearedAt: "normal since {time}",
    acknowledge: "Acknowledge", reset: "Reset", none_open: "No open alarms",
    summary: "{n} unacknowledged of {of}", more: "first {n} shown",
    hour: "1 hour", six: "6 hours", day: "24 hours",
    newest: "Newest", limit: "limit", noReadings: "No readings in this span", never: "Never reported",
    stale: "Out of date", notGood: "Quality: {word}", loading: "Loading…", band: "Shaded: minimum to maximum",
    q1: "pass", q2: "unknown", q3: "suspect", q4: "fail", q9: "missing",
    inbox: "Unregistered", inboxWhat: "Names that gateways send and the catalogue does not know. Once adopted, their readings are kept and judged.",
    inboxNone: "Nothing unregistered", inboxEntry: "{n} readings, last {value}, {time}",
    adopt: "Adopt", adoptWhat: "Adopt {name} of {gateway}", channelId: "Channel id (within the facility)",
    nameZh: "Name in Chinese", nameEn: "Name in English", interval: "Sample interval (s, optional)", adopted: "Adopted as {id}",
    keyTitle: "Enter your key", key: "Key", keyWrite: "Acknowledging, resetting and adopting need an operator's or administrator's key.",
    keyRead: "This service shows itself to holders of a key.", keyWrong: "This key is not known. Try again.",
    cancel: "Cancel", goOn: "Continue", close: "Close", failed: "Not done: {detail}", forbidden: "this key may not do that", unreachable: "The service cannot be reached",
    profilesNow: "{name} ({n} facilities)", profileWhat: "Limits of this profile are in force", commissioning: "In commissioning", commissioningOf: "In commissioning: {n}",
    seconds: "{n} s", minutes: "{n} min", hours: "{n} h {m} min", days: "{n} d {m} h",
  },
};

const KEPT = "lifeline.language";

function remembered() {
  try { return localStorage.getItem(KEPT); } catch { return null; }
}

function preferred() {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered();
  if (asked === "zh" || asked === "en") return asked;
  return (navigator.language || "zh").toLowerCase().startsWith("zh") ? "zh" : "en";
}

export let language = preferred();

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  try { localStorage.setItem(KEPT, language); } catch { /* a private window forgets */ }
}

export function t(key, values = {}) {
  const text = WORDS[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const both = (text) => (text ? text[language] || text.zh || text.en : "");

const two = (n) => String(n).padStart(2, "0");

export function clock(time) {
  const at = new Date(time);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// Today by its hour, any other day with its date: a bare hour must not be taken for today's.
export function moment(time, now = Date.now()) {
  const at = new Date(time), today = new Date(now);
  if (at.toDateString() === today.toDateString()) return clock(time);
  const year = at.getFullYear() === today.getFullYear() ? "" : `${at.getFullYear()}-`;
  return `${year}${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(time)}`;
}

export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return t("seconds", { n: s });
  if (s < 3600) return t("minutes", { n: Math.floor(s / 60) });
  if (s < 86400) return t("hours", { n: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) });
  return t("days", { n: Math.floor(s / 86400), m: Math.floor((s % 86400) / 3600) });
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4)) return value.toExponential(2);
  return String(Number(value.toPrecision(5)));
}

export const withUnit = (value, symbol) => {
  const unit = both(symbol);
  return unit ? `${number(value)} ${unit}` : number(value);
};
