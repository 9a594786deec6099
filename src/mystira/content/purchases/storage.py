"""Where purchases live."""

from mystira.content.purchases.model import Purchase
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

PURCHASES = Collection(
    Purchase,
    container="Purchases",
    table="purchases",
    partition="account_id",
    indexes=(("account_id", "ordered_at"), ("state", "ordered_at"), ("ordered_at",), ("bundle_id",)),
    orders=((Order("ordered_at"),), (Order("ordered_at", descending=True),)),
)

COLLECTIONS = (PURCHASES,)
