"""Where requests to publish live."""

from mystira.content.scenarios.publishing.model import PublishRequest
from mystira.polyglot.collection import Collection

PUBLISH_REQUESTS = Collection(PublishRequest, container="PublishRequests", table="publish_requests")

COLLECTIONS = (PUBLISH_REQUESTS,)
