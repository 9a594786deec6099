"""What the parameters of both APIs stand for: an example for each name, most of them from the sample content."""

from mystira.web.lists import cursor_text

RECORD, OTHER_RECORD = "0f6c2f0e-7f0a-4c55-9d6e-2f2f4b1f6a01", "7b1d9c52-3f38-4f7e-8a55-5d0e8e1c2b77"

NAMED = {
    "account_id": "sample-family",
    "after": cursor_text(("The Moss Bridge", "the-moss-bridge")),
    "after_id": "sample-family",
    "after_partition": "sample-family",
    "age_group": "6-9",
    "axis": "courage",
    "before": "2026-11-21T17:30:00Z",
    "bundle": "quiet-nights",
    "bundle_id": "quiet-nights",
    "collection": "Accounts",
    "command_id": RECORD,
    "error": "duplicate key",
    "id": "sample-family",
    "import_id": RECORD,
    "media_id": "night-harbour.png",
    "name": "tales.zip",
    "partition": "sample-family",
    "profile_id": "sample-mira",
    "purchase_id": OTHER_RECORD,
    "run_id": RECORD,
    "scenario_id": "the-moss-bridge",
    "search": "moss",
    "session_id": OTHER_RECORD,
    "step": "publish",
    "story": "the-moss-bridge",
    "who": "ada",
    "why": "for the autumn",
    "words": "bridge moss",
    "Idempotency-Key": "5d3c0a52-9b9c-4b7e-9d53-1f3c7f5f0b6e",
    "If-Match": '"7"',
    "If-None-Match": "*",
    "Stripe-Signature": "t=1763900000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    "X-File-Name": "Night%20Harbour.png",
}
