"""Documents in a SQLite file, with the semantics of Azure Cosmos DB; the embedded document store."""
