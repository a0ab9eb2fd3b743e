"""Whether the process lives, and whether it can serve: what containers and proxies ask."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from outfitswap_desktop import __version__
from outfitswap_desktop.licensing.wire.messages import Answer
from outfitswap_desktop.server.operations import migrate
from outfitswap_desktop.server.problems import answers
from outfitswap_desktop.server.services import ServicesDep


class Health(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Readiness(Answer):
    """Whether requests can be served; `why` names what is missing."""

    status: Literal["ready", "not_ready"]
    why: Annotated[str, Field(max_length=200)] = ""


def router() -> APIRouter:
    """GET /healthz and /readyz."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz", operation_id="health", responses=answers())
    def healthz() -> Health:
        return Health()

    @routes.get("/readyz", operation_id="readiness", responses={**answers(), 503: {"model": Readiness}})
    def readyz(services: ServicesDep, response: Response) -> Readiness:
        try:
            with services.database.reading() as tx:
                tx.execute(text("SELECT 1"))
                found = migrate.revision(tx)
        except SQLAlchemyError as problem:
            structlog.get_logger(__name__).warning("not_ready", error=type(problem).__name__)
            response.status_code = 503
            return Readiness(status="not_ready", why="The database does not answer.")
        if found != migrate.newest():
            response.status_code = 503
            return Readiness(status="not_ready", why="The database is not up to date: run outfitswap-server migrate.")
        return Readiness(status="ready")

    return routes
