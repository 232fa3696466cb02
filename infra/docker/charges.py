"""A merchant on the standard library: charges by form, and a till that charges from a few threads."""

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 35.0  # a confirm answers within 30 s, whatever the bank does
RETRY_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    document: dict[str, Any]


class Merchant:
    """Stripe's dialect, as far as a smoke test needs it."""

    def __init__(self, url: str, key: str) -> None:
        self._address = urlsplit(url).netloc
        self._key = key

    def post(self, path: str, form: Mapping[str, str], *, key: str | None = None) -> Answer:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._ask("POST", path, urlencode(form), headers)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def delete(self, path: str) -> Answer:
        return self._ask("DELETE", path, None, {})

    def charge(self, card: str = "pm_card_visa", *, key: str | None = None) -> Answer:
        form = {"amount": "2000", "currency": "usd", "confirm": "true", "payment_method": card}
        form |= {
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
        }
        return self.post("/v1/payment_intents", form, key=key)

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        conn = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        try:
            conn.request(method, path, body, headers | {"Authorization": f"Bearer {self._key}"})
            answer = conn.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, json.loads(answer.read()))
        finally:
            conn.close()


class Till:
    """Charges from `tellers` threads between `with` and its end.

    With patience it sends a key again while it is told to or hears nothing, as every SDK does.
    """

    def __init__(self, merchant: Merchant, *, tellers: int = 3, patience_s: float = 0.0) -> None:
        self._merchant = merchant
        self._patience_s = patience_s
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._sell, daemon=True) for _ in range(tellers)]
        self.outcomes: Counter[str] = Counter()
        self.intents: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(self._patience_s + TIMEOUT_S)

    def _sell(self) -> None:
        while not self._done.is_set():
            outcome, intent_id = self._one(str(uuid.uuid4()))
            with self._lock:
                self.outcomes[outcome] += 1
                if intent_id:
                    self.intents.append(intent_id)
            # A brisk pace, not a load test: the machine has other work.
            self._done.wait(0.02)

    def _one(self, key: str) -> tuple[str, str]:
        until = time.monotonic() + self._patience_s
        while True:
            outcome, intent_id = self._try(key)
            if intent_id or time.monotonic() >= until:
                return outcome, intent_id
            time.sleep(RETRY_PAUSE_S)

    def _try(self, key: str) -> tuple[str, str]:
        """What became of it, and the intent; without one nobody has decided yet."""
        try:
            answer = self._merchant.charge(key=key)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error).__name__, ""
        intent_id = str(answer.document.get("id", ""))
        return str(answer.document["status"] if intent_id else answer.status), intent_id
