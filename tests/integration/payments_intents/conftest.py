"""The same set-up as the tests of money: two APIs, one database, a bank on a real wire."""

from tests.integration.payments_money.conftest import bank, bank_dsn, money, payments_dsn, shared_money

__all__ = ["bank", "bank_dsn", "money", "payments_dsn", "shared_money"]
