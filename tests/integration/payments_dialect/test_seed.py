"""The accounts of a fresh installation."""

import httpx
from payments.seed import FIRST, ORDERS, SECOND, seed
from payments.settings import PaymentsSettings

from tests.integration.payments_dialect.notes import with_notes
from tests.support.payments import Served, serving, settings_of

KEY, KEY_2, NEW_KEY = (f"sk_test_{name}_of_the_seed_tests" for name in ("first", "second", "new"))


async def whoami(served: Served, key: str) -> int:
    client = served.client(None)
    answer: httpx.Response = await client.get("/v1/notes", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code


async def test_seeding_twice_changes_nothing_and_a_new_key_takes_the_place_of_the_old(
    settings: PaymentsSettings, served: Served
) -> None:
    def with_keys(first: str) -> PaymentsSettings:
        return settings_of(
            settings.database_url, settings.redis_url, payments_api_key=first, payments_api_key_2=KEY_2
        )

    assert await seed(with_keys(KEY)) == 2
    assert await seed(with_keys(KEY)) == 2
    assert [await whoami(served, key) for key in (KEY, KEY_2, NEW_KEY)] == [200, 200, 401]

    await seed(with_keys(NEW_KEY))
    async with serving(settings, make=with_notes) as fresh:
        assert [await whoami(fresh, key) for key in (KEY, KEY_2, NEW_KEY)] == [401, 200, 200]

    rates = "SELECT array_agg(rate_per_s || '/' || burst) FROM accounts WHERE id IN ($1, $2)"
    assert await served.value(rates, FIRST, SECOND) == ["500/1000", "500/1000"]
    stored = "SELECT count(*) FROM api_keys WHERE position(convert_to($1, 'UTF8') IN key_sha256) > 0"
    assert await served.value(stored, KEY) == 0


async def test_our_own_shop_has_an_account_that_no_sale_takes_to_its_limit(
    settings: PaymentsSettings, served: Served
) -> None:
    key = "sk_test_orders_of_the_seed_tests"
    wanted = settings_of(settings.database_url, settings.redis_url, payments_api_key_orders=key)
    assert await seed(wanted) == 1
    assert await whoami(served, key) == 200
    rates = "SELECT rate_per_s || '/' || burst FROM accounts WHERE id = $1"
    assert await served.value(rates, ORDERS) == "5000/20000"


async def test_without_keys_nothing_is_seeded(settings: PaymentsSettings, served: Served) -> None:
    before = await served.value("SELECT count(*) FROM accounts")
    assert await seed(settings) == 0
    assert await served.value("SELECT count(*) FROM accounts") == before
