"""Settings and the tenants of a fresh installation."""

import pytest
from chassis import auth
from orders.seed import tenants_of
from orders.settings import OrdersSettings
from pydantic import ValidationError


def test_the_tenants_of_an_installation_are_those_that_have_a_key() -> None:
    assert tenants_of(OrdersSettings()) == []
    both = OrdersSettings.model_validate({"orders_api_key": "first-key", "orders_api_key_2": "second-key"})
    found = tenants_of(both)

    assert [tenant.id for tenant, _ in found] == ["demo", "demo-2"]
    assert [digest for _, digest in found] == [auth.hash_key("first-key"), auth.hash_key("second-key")]
    assert {(tenant.rate_per_s, tenant.burst) for tenant, _ in found} == {(1_000, 4_000)}


def test_hosts_that_are_none_are_found_at_the_start() -> None:
    with pytest.raises(ValidationError, match="webhook_allowed_hosts"):
        OrdersSettings(webhook_allowed_hosts="10.0.0.0/99")
