import pytest

from ingest.broker_url import BrokerUrl


def test_user_and_password_are_percent_decoded():
    url = BrokerUrl.parse("mqtts://gw%40north:p%2Fa%3Ass@broker.example:18883?ca=/etc/ca.pem")
    assert (url.host, url.port, url.tls) == ("broker.example", 18883, True)
    assert (url.user, url.password, url.ca_file) == ("gw@north", "p/a:ss", "/etc/ca.pem")
    assert "p/a" not in str(url)


def test_ports_and_version_have_defaults():
    assert BrokerUrl.parse("mqtt://host").port == 1883
    assert BrokerUrl.parse("mqtts://host").port == 8883
    assert not BrokerUrl.parse("mqtt://host").version_3
    assert BrokerUrl.parse("mqtt://[::1]:1884?version=3.1.1").version_3


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:1883",
        "http://host",
        "mqtt://",
        "mqtt://host:notaport",
        "mqtt://host:99999",
        "mqtt://host:0",
        "mqtt://[::1",
        "mqtt://host/topic",
        "mqtt://host?version=4",
        "mqtt://host?tls=1",
        "mqtt://user:secret@host:port",
    ],
)
def test_a_bad_url_is_refused_with_a_remedy_and_without_the_password(url):
    with pytest.raises(ValueError, match="write mqtt") as caught:
        BrokerUrl.parse(url)
    assert "secret" not in str(caught.value)
