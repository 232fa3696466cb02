"""Payments under load: charges through the bank, some sent again with their key, refunds, reads."""

import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import ClassVar

from loadtests.harness import OpenUser
from loadtests.http import Answer, Http, Unexpected
from loadtests.target import Target

INTENTS = 100
AMOUNT_MINOR = 50_000
REMEMBERED_MAX = 500
CURRENCIES = ("usd", "eur", "gbp")


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge that was answered, with what it takes to send it again."""

    key: str
    form: Mapping[str, str]
    intent_id: str


class PaymentsUser(OpenUser):
    """Every write carries a key; refunds take their intents in turn, so that no two meet on one."""

    service = "payments"
    rate_per_s = 40.0
    url_variable = "PAYMENTS_URL"
    mix: ClassVar[Mapping[str, float]] = {
        "charge": 35,
        "repeat": 10,
        "decline": 5,
        "refund": 5,
        "create_customer": 20,
        "retrieve": 15,
        "list_intents": 10,
    }
    authorization: ClassVar[Mapping[str, str]] = {}
    charges: ClassVar[deque[Charge]] = deque(maxlen=REMEMBERED_MAX)
    refundable: ClassVar[Iterator[str]] = iter(())

    @classmethod
    def prepare(cls, target: Target, environ: Mapping[str, str]) -> None:
        cls.authorization = {"Authorization": f"Bearer {environ['PAYMENTS_API_KEY']}"}
        http = Http(target, cls.authorization)
        try:
            made = [_charged(http, AMOUNT_MINOR, CURRENCIES[n % len(CURRENCIES)]) for n in range(INTENTS)]
        finally:
            http.close()
        cls.charges.extend(made)
        cls.refundable = cycle([charge.intent_id for charge in made])

    def charge(self) -> None:
        amount_minor = self.random.randrange(500, 20_000)
        currency = self.random.choice(CURRENCIES)
        self.charges.append(_charged(self.http, amount_minor, currency, self.authorization))

    def repeat(self) -> None:
        """What a client does whose answer was lost: the same key and parameters, the same answer wanted."""
        charge = self.random.choice(self.charges)
        answer = self._post("/v1/payment_intents", charge.form, charge.key).expect(200)
        if answer.headers.get("idempotent-replayed") != "true":
            raise Unexpected("not a replay")
        if answer.json()["id"] != charge.intent_id:
            raise Unexpected("charged twice")

    def decline(self) -> None:
        form = _charge_form(2_000, "usd", "pm_card_chargeDeclined")
        self._post("/v1/payment_intents", form).expect(402)

    def refund(self) -> None:
        form = {"payment_intent": next(self.refundable), "amount": "1"}
        self._post("/v1/refunds", form).expect(200)

    def create_customer(self) -> None:
        name = f"Load {self.random.randrange(1_000_000)}"
        form = {"name": name, "email": "load@example.com", "metadata[source]": "load"}
        self._post("/v1/customers", form).expect(200)

    def retrieve(self) -> None:
        intent_id = self.random.choice(self.charges).intent_id
        self._get(f"/v1/payment_intents/{intent_id}?expand[]=latest_charge").expect(200)

    def list_intents(self) -> None:
        cursor = self.random.choice(self.charges).intent_id
        self._get(f"/v1/payment_intents?limit=20&starting_after={cursor}").expect(200)

    def _get(self, path: str) -> Answer:
        return self.http.send("GET", path, headers=self.authorization)

    def _post(self, path: str, form: Mapping[str, str], key: str | None = None) -> Answer:
        headers = {**self.authorization, "Idempotency-Key": key or str(uuid.uuid4())}
        return self.http.send("POST", path, form=form, headers=headers)


def _charge_form(amount_minor: int, currency: str, card: str) -> dict[str, str]:
    return {
        "amount": str(amount_minor),
        "currency": currency,
        "confirm": "true",
        "payment_method": card,
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
    }


def _charged(
    http: Http, amount_minor: int, currency: str, headers: Mapping[str, str] | None = None
) -> Charge:
    form = _charge_form(amount_minor, currency, "pm_card_visa")
    key = str(uuid.uuid4())
    sent = {**(headers or {}), "Idempotency-Key": key}
    intent = http.send("POST", "/v1/payment_intents", form=form, headers=sent).expect(200).json()
    if intent["status"] != "succeeded":
        raise Unexpected(f"intent {intent['status']}")
    return Charge(key, form, intent["id"])
