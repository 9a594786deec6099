"""Where imports live: one record each, and one for each of their files."""

from mystira.content.imports.model import Import, ImportedFile
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

IMPORTS = Collection(
    Import,
    container="Imports",
    table="imports",
    indexes=(("state", "asked_at"), ("asked_at",)),
    orders=((Order("asked_at", descending=True),), (Order("asked_at"),)),
)
IMPORTED_FILES = Collection(
    ImportedFile,
    container="ImportedFiles",
    table="imported_files",
    partition="import_id",
    indexes=(("import_id", "number"), ("import_id", "outcome", "number")),
    orders=((Order("number"),),),
)

COLLECTIONS = (IMPORTS, IMPORTED_FILES)
