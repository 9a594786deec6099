"""What others may hear about purchases."""

from mystira.polyglot.entity import Event


class ScenarioPurchased(Event, frozen=True, kw_only=True):
    """A family has paid for a story: one fact a story of a bundle, the bundle's price split among them exactly."""

    purchase_id: str
    account_id: str
    scenario_id: str
    bundle_id: str | None = None
    amount_minor: int
    currency: str


class PurchaseRefunded(Event, frozen=True, kw_only=True):
    """A family has its money back."""

    purchase_id: str
    account_id: str
    bundle_id: str
    amount_minor: int
    currency: str
