"""The words that stories share: age groups, compass axes, archetypes, echo types, themes."""
