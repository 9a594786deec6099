"""A local endpoint that speaks the Azure Cosmos DB REST protocol; it knows nothing of the rest of this project."""
