"""Settings that contradict themselves end the process at its start."""

from typing import Any

import pytest
from notifications.settings import NotificationsSettings
from pydantic import ValidationError


@pytest.mark.parametrize(
    "wrong",
    [
        {"delivery_lease_s": 5.0},
        {"webhook_timeout_s": 10.0},
        {"smtp_username": "orders"},
        {"mail_from": "nobody"},
        {"tracking_url": "https://tracking.example.com/orders"},
        {"tracking_url": "https://tracking.example.com/{order_id}/{secret}"},
        {"webhook_allowed_hosts": "10.0.0.1.2"},
        {"deliveries_kept_s": 3600.0},
    ],
)
def test_contradictions_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NotificationsSettings(**wrong)


def test_a_template_and_a_login_over_tls_are_taken() -> None:
    settings = NotificationsSettings(
        tracking_url="https://tracking.example.com/orders/{order_id}",
        smtp_username="orders",
        smtp_tls="required",
    )
    assert settings.retry_delays_s == (5.0, 30.0, 300.0)
