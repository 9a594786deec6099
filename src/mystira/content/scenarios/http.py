"""The schema of a story file over HTTP, for editors and generators."""

from typing import Any

import msgspec
from litestar import Request, Response, get

from mystira.content.scenarios.model.file_schema import scenario_schema
from mystira.web.access import allow
from mystira.web.files import content_version, is_known
from mystira.web.openapi import describe

SCHEMA_TYPE = "application/json"
KEPT_AN_HOUR = "public, max-age=3600"


@get("/api/v1/schemas/scenario", opt=allow("anyone") | describe(dict[str, Any]))
async def scenario(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Send the JSON Schema of a story file, the same that `mystira content schema` prints."""
    headers = {"ETag": f'"{VERSION}"', "Cache-Control": KEPT_AN_HOUR}
    if is_known(request, VERSION):
        return Response(b"", status_code=304, headers=headers, media_type=SCHEMA_TYPE)
    return Response(SCHEMA, headers=headers, media_type=SCHEMA_TYPE)


SCHEMA = msgspec.json.encode(scenario_schema())
VERSION = content_version(SCHEMA)
HANDLERS = (scenario,)
