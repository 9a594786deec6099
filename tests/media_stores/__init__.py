"""What every store of media promises, asked of a folder and of Azure Blob Storage's own imitation."""
