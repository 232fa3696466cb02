"""Products: the catalogue is ours, the stock is inventory's, and a request that dies between is repeated."""

from typing import Final

from chassis.logs import get_logger

from orders.domain.products import Product, Terms
from orders.domain.stock import NONE, Stock
from orders.domain.tenants import Tenant
from orders.problems import ProductNotFound
from orders.resources import Resources, now
from orders.store import products as store
from orders.usecases.rows import product_of

_log = get_logger(__name__)

Stocked = tuple[Product, Stock]
_SKU_LENGTH_MAX: Final = 64


async def put_product(res: Resources, tenant: Tenant, sku: str, terms: Terms, units: int) -> Stocked:
    """Create or overwrite: inventory first, then the catalogue, so that what can be ordered has a stock.

    Both are absolute, so that the repeat of a request that died in between heals it. Of two writers at once
    the one whose stock came last also has its name and price. Raises StockBelowReserved,
    InventoryUnavailable.
    """
    stock = await res.inventory.put_stock(tenant.id, sku, units)
    async with res.db.acquire() as conn, conn.transaction():
        row = await store.put(conn, tenant.id, sku, terms, stock.version, now())
        row = row or await store.get(conn, tenant.id, sku)
    if row is None:
        raise ProductNotFound
    _log.info("product.put", tenant=tenant.id, sku=sku, stock=units)
    return product_of(row), stock


async def receive_units(
    res: Resources, tenant: Tenant, sku: str, quantity: int, key: str
) -> tuple[Product, Stock, bool]:
    """Add units, once a key, which inventory keeps; the last is whether it was done before.

    Raises ProductNotFound, IdempotencyInFlight, IdempotencyMismatch, InventoryUnavailable.
    """
    product = await _find(res, tenant, sku)
    stock, replayed = await res.inventory.receive(tenant.id, sku, quantity, key)
    return product, stock, replayed


async def get_product(res: Resources, tenant: Tenant, sku: str) -> Stocked:
    """Raises ProductNotFound, InventoryUnavailable."""
    product = await _find(res, tenant, sku)
    levels = await res.inventory.levels(tenant.id, [sku])
    return product, levels.get(sku, NONE)


async def list_products(
    res: Resources, tenant: Tenant, *, after: str | None, limit: int
) -> tuple[list[Stocked], str | None]:
    """Give a page by SKU, and the SKU after which the next one begins, None on the last.

    Raises InventoryUnavailable.
    """
    async with res.db.acquire() as conn:
        rows = await store.page(conn, tenant.id, after, limit + 1)
    products = [product_of(row) for row in rows[:limit]]
    levels = await res.inventory.levels(tenant.id, [product.sku for product in products])
    page = [(product, levels.get(product.sku, NONE)) for product in products]
    return page, products[-1].sku if len(rows) > limit else None


async def _find(res: Resources, tenant: Tenant, sku: str) -> Product:
    """Raises ProductNotFound, also for what is no SKU and for a product of another tenant."""
    if not sku.isascii() or "\x00" in sku or len(sku) > _SKU_LENGTH_MAX:
        raise ProductNotFound
    async with res.db.acquire() as conn:
        row = await store.get(conn, tenant.id, sku)
    if row is None:
        raise ProductNotFound
    return product_of(row)
