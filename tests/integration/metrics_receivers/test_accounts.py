"""The ledger's and the cardinality's routes: one's own, all for the operator, nothing for anybody else."""

from tests.support.metrics import Served


async def test_a_tenant_sees_its_own_ledger(served: Served) -> None:
    answer = await served.client("one").get("/api/v1/ledger")

    assert answer.status_code == 200
    assert answer.json() == {
        "tenants": [
            {
                "tenant": "one",
                "received": 0,
                "accepted": 0,
                "rejected": {},
                "stored": 0,
                "in_flight": 0,
                "dead": {},
                "residue": 0,
            }
        ]
    }


async def test_the_operator_sees_every_ledger(served: Served) -> None:
    answer = await served.operator().get("/api/v1/ledger")

    assert (answer.status_code, answer.json()) == (200, {"tenants": []})


async def test_accounts_need_a_key(served: Served) -> None:
    nobody = served.client(None)

    assert (await nobody.get("/api/v1/ledger")).status_code == 401
    assert (await nobody.get("/api/v1/cardinality")).status_code == 401


async def test_the_operator_has_no_series_of_his_own(served: Served) -> None:
    assert (await served.operator().get("/api/v1/cardinality")).status_code == 403
