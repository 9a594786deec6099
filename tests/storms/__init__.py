"""Storms: the real code on simulated stores, with every fault, in thousands of seeded schedules that replay."""
