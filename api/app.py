"""The application: routes over the parts of a service."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from api import errors
from api.bodies import BodyLimit
from api.composition import Service
from api.observing import AnswerHeaders, answer_headers
from api.routes import (
    alerts,
    artifacts,
    audit,
    budgets,
    events,
    gold,
    keys,
    ledger,
    orders,
    postings,
    reports,
    service,
)


def create_app(built: Service, *, started: Callable[[], None] = lambda: None) -> FastAPI:
    """Make the application; the service starts with its lifespan and stops with it.

    `started` is called once the service is up.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(built.start)
        started()
        yield
        app.state.stopping.set()
        await run_in_threadpool(built.stop)

    app = FastAPI(
        title="AEM",
        version="0.1.0",
        summary="Agents pay for their own improvement, under invariants and a daily budget.",
        lifespan=lifespan,
        responses={"default": errors.DOCUMENTED_PROBLEM},
    )
    app.state.parts = built.parts
    app.state.stopping = threading.Event()
    headers = answer_headers(built.parts.enforcement)
    app.add_middleware(BodyLimit)
    app.add_middleware(AnswerHeaders, headers=headers)
    errors.install(app, headers)
    money = (budgets, ledger, postings, reports, alerts, audit)
    modules = (service, keys, *money, gold, artifacts, orders, events)
    for module in modules:
        app.include_router(module.router)
    return app
