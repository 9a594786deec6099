"""Cosmos DB's query language: read a query, run it over documents, plan it for several partitions."""

from mystira.cosmos_emulator.sql.execution import matches, run
from mystira.cosmos_emulator.sql.hints import equalities
from mystira.cosmos_emulator.sql.parser import parse, parse_condition
from mystira.cosmos_emulator.sql.plan import features, plan
from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.syntax import Query

__all__ = ["Query", "SqlError", "equalities", "features", "matches", "parse", "parse_condition", "plan", "run"]
