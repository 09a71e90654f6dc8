"""The page in a real browser, over the whole service: what stands where, live, in both languages."""

import pytest

from tests.service.chromium import Page
from tests.service.running import KEY, wait_for

ALARMS = "#alarm-list"


@pytest.fixture(scope="module")
def page(service, sender, tmp_path_factory):
    sender.reading("gw-bridge", "D1", 155.5)
    service.wait_for_alarm("bridge/test/deflection", active=True)
    with Page(tmp_path_factory.mktemp("browser")) as page:
        page.open(f"{service.url}/?lang=zh")
        page.wait_for_text("试验桥", "#kinds")
        yield page


def test_facilities_and_alarms_stand_there_in_chinese(page):
    facilities = page.wait_for_text("试验燃气管段", "#kinds")
    assert "橙色" in facilities
    alarms = page.wait_for_text("跨中挠度", ALARMS)
    assert "155.5 mm" in alarms
    assert "未确认" in alarms
    page.wait_for_text("实时", "#connection")


def test_an_alarm_that_is_raised_meanwhile_appears_by_itself(page, sender):
    sender.reading("gw-gas", "M1", 33.25, district="south")
    alarms = page.wait_for_text("33.25", ALARMS)
    assert "试验燃气管段" in alarms


def test_a_rise_of_grade_appears_by_itself(page, sender):
    sender.reading("gw-bridge", "D1", 199.0)
    assert "红色" in page.wait_for_text("199 mm", ALARMS)
    page.wait_for_text("红色", "#kinds")


def test_names_that_are_markup_are_shown_as_text(page, sender):
    sender.reading("gw-bridge", "X1", 121.0)
    page.wait_for_text("<img src=x onerror=window.hacked=1>", ALARMS)
    assert page.evaluate(f"document.querySelectorAll('{ALARMS} img, {ALARMS} script').length") == 0
    assert page.evaluate("window.hacked") is None


def test_unknown_names_that_are_markup_are_shown_as_text_in_the_inbox(page, service, sender):
    sender.reading("gw-bridge", "<b onclick=window.hacked=1>x</b>", 1.0)
    wait_for(lambda: service.items("/unregistered"), "the name is in the inbox")
    page.evaluate("location.reload()")
    page.wait_for_text("试验桥", "#kinds")
    page.click("#inbox-open")
    page.wait_for_text("<b onclick=window.hacked=1>x</b>", "#inbox-list")
    assert page.evaluate("document.querySelectorAll('#inbox-list b').length") == 0
    page.click("#inbox-dialog .cancel")


def test_everything_is_there_in_english_too(page):
    page.click("#language")
    alarms = page.wait_for_text("Test Bridge, Midspan deflection", ALARMS)
    assert "red" in alarms.lower()
    assert "199 mm is over the limit of 180 mm" in alarms
    page.wait_for_text("<script>window.hacked=1</script>", ALARMS)
    page.wait_for_text("Test gas section", "#kinds")
    page.wait_for_text("Live", "#connection")
    assert page.evaluate("window.hacked") is None


def test_the_chart_shows_the_channel_chosen_with_its_newest_value(page, sender):
    script = (
        f"[...document.querySelectorAll('{ALARMS} button.text')]"
        ".find(b => b.innerText.includes('Midspan')).click()"
    )
    page.evaluate(script)
    page.wait_for_text("199", "#newest")
    sender.reading("gw-bridge", "D1", 198.5)
    page.wait_for_text("198.5", "#newest")


def test_acknowledging_asks_for_a_key_once_and_shows_who_did_it(page, service):
    alarm = service.wait_for_alarm("bridge/test/deflection", active=True)
    page.click(f'[data-key="acknowledge {alarm["id"]}"]')
    wait_for(lambda: page.evaluate("document.querySelector('#key-dialog').open"), "it asks")
    page.fill_in("#key-input", KEY)
    page.click("#key-form [type=submit]")
    service.wait_for_alarm("bridge/test/deflection", acknowledged=True)
    page.wait_for_text("Acknowledged by", ALARMS)


def test_an_alarm_that_ends_leaves_the_list_by_itself(page, sender):
    sender.reading("gw-bridge", "D1", 1.0)
    wait_for(lambda: "Midspan" not in page.text(ALARMS), "the alarm has left")


HOLD_LISTS = """
window.held = [];
window.really = window.fetch;
window.fetch = async (path, options) => {
  const answer = await window.really(path, options);
  if (String(path).includes("/alarms?")) await new Promise((go) => window.held.push(go));
  return answer;
};
"""


def test_a_list_asked_for_before_an_alarm_does_not_take_it_away(page, sender):
    def held():
        return page.evaluate("window.held.length")

    page.evaluate(HOLD_LISTS)
    sender.reading("gw-bridge", "V1", 61.25)
    wait_for(lambda: held() == 1, "the list has been asked for")
    sender.reading("gw-bridge", "V1", 121.5)
    page.wait_for_text("121.5 mm", ALARMS)
    page.evaluate("window.held.shift()()")
    wait_for(lambda: held() == 1, "the next list is on its way: the first has been shown")
    assert "121.5 mm" in page.text(ALARMS)
    page.evaluate("window.fetch = window.really; window.held.shift()()")


def test_the_console_told_of_no_error(page):
    # A request that needs a key is answered 401 first: that is the way of it, and no fault.
    faults = [one for one in page.faults if "401" not in one]
    assert faults == []
