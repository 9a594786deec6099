"""Storms: the real code on simulated stores, with every fault, in thousands of seeded schedules that replay.

What a schedule costs and how its speed was found is told in src/mystira/polyglot/REPLICATION.md.
"""
