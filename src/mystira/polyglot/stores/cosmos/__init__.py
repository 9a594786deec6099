"""Documents in Azure Cosmos DB, through its official client."""
