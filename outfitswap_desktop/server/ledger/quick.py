"""A shorter way to an endpoint for the requests that come with every picture: reserve, commit and void."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, get_type_hints

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from outfitswap_desktop.licensing.wire.ids import is_id
from outfitswap_desktop.server.accounts.callers import seen_just_now
from outfitswap_desktop.server.ledger.idempotency import KEYED
from outfitswap_desktop.server.services import Services

_JSON: Final = "application/json"


class QuickRoute(APIRoute):
    """A route whose everyday requests are read without the framework's dependencies, which cost more than the endpoint does.

    Its endpoint is `f(services, caller, request, body)` or `f(services, caller, request, body, reservation)` and gives a
    Response. Everyday is what is well formed and comes from a caller seen a moment ago; all else, and with it every refusal
    that the framework makes, goes the framework's way.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the framework, with the shorter way before it. TypeError for a dependency that it skips."""
        if any(each is not KEYED for each in self.dependencies):
            raise TypeError(f"{self.path}: the shorter way would skip a dependency; have the endpoint do it")
        whole = super().get_route_handler()
        endpoint = self.endpoint
        form: type[BaseModel] = get_type_hints(endpoint)["body"]

        async def handle(request: Request) -> Response:
            services: Services = request.app.state.services
            caller = seen_just_now(request, services)
            ids = tuple(request.path_params.values())
            if caller is None or request.headers.get("content-type") != _JSON or not all(map(is_id, ids)):
                return await whole(request)
            try:
                body = form.model_validate_json(await request.body())
            except ValidationError:
                return await whole(request)  # the request keeps the bytes that were read
            answer: Response = await asyncio.to_thread(endpoint, services, caller, request, body, *ids)
            return answer

        return handle
