"""The management API: parse, call one use case, shape the answer."""

from fastapi import FastAPI

from shortener.api import bulk, links, qr, quota, reports, resolve, stats, transfer


def include(app: FastAPI) -> None:
    """Fixed paths come before `/{link_id}`."""
    for router in (
        bulk.router,
        transfer.router,
        links.router,
        qr.router,
        resolve.router,
        stats.router,
        quota.router,
        reports.public,
        reports.admin,
    ):
        app.include_router(router)
