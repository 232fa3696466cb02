"""Settings of webhooks that would not work are refused at start, not at the first delivery."""

import pytest
from payments.settings import PaymentsSettings
from pydantic import ValidationError


@pytest.mark.parametrize("hosts", ["127.0.0.300", "10.0.0.0/40", "localhost,::1/500"])
def test_an_allow_list_that_makes_no_sense_ends_the_start(hosts: str) -> None:
    with pytest.raises(ValidationError):
        PaymentsSettings(webhook_allowed_hosts=hosts)


def test_a_lease_that_ends_before_its_attempt_ends_the_start() -> None:
    with pytest.raises(ValidationError, match="webhook_lease_s"):
        PaymentsSettings(webhook_timeout_s=15.0, webhook_lease_s=15.0)
