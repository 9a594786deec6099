"""Where bundles live."""

from mystira.content.bundles.model import ContentBundle
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

CONTENT_BUNDLES = Collection(
    ContentBundle,
    container="ContentBundles",
    table="content_bundles",
    indexes=(("title",), ("state", "title"), ("changed_at",)),
    orders=((Order("title"),), (Order("changed_at", descending=True),)),
)

COLLECTIONS = (CONTENT_BUNDLES,)
