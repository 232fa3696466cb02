"""The level of one SKU: what is there, what of it is promised, and what has gone."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    RECEIPT = "receipt"
    ADJUSTMENT = "adjustment"
    SALE = "sale"
    RETURN = "return"


class Place(NamedTuple):
    """Where a level stands. Places are locked in their order, by everybody."""

    tenant_id: str
    sku: str


@dataclass(frozen=True, slots=True)
class Movement:
    """A change of what there is; a promise is none."""

    place: Place
    kind: Kind
    quantity: int
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """Always: 0 <= reserved <= on_hand, and received + adjusted = on_hand + sold."""

    on_hand: int = 0
    reserved: int = 0
    sold: int = 0
    received: int = 0
    adjusted: int = 0
    version: int = 0

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def hold(self, quantity: int) -> "Level":
        """Promise it; the caller has seen that it is available."""
        return self._changed(reserved=quantity)

    def free(self, quantity: int) -> "Level":
        """Take the promise back."""
        return self._changed(reserved=-quantity)

    def sell(self, quantity: int) -> "Level":
        """What was promised leaves the shelf."""
        return self._changed(on_hand=-quantity, reserved=-quantity, sold=quantity)

    def take_back(self, quantity: int) -> "Level":
        """What was sold returns to the shelf."""
        return self._changed(on_hand=quantity, sold=-quantity)

    def receive(self, quantity: int) -> "Level":
        return self._changed(on_hand=quantity, received=quantity)

    def counted(self, on_hand: int) -> "Level":
        """What a count of the shelf found, at least what is promised; the difference is an adjustment."""
        return self._changed(on_hand=on_hand - self.on_hand, adjusted=on_hand - self.on_hand)

    def _changed(
        self, *, on_hand: int = 0, reserved: int = 0, sold: int = 0, received: int = 0, adjusted: int = 0
    ) -> "Level":
        """By so much, as the next version."""
        return Level(
            on_hand=self.on_hand + on_hand,
            reserved=self.reserved + reserved,
            sold=self.sold + sold,
            received=self.received + received,
            adjusted=self.adjusted + adjusted,
            version=self.version + 1,
        )
