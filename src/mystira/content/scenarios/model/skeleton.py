"""The file that an author begins with: every part once, each with a word of explanation."""

import json

SKELETON = """\
# A story is a set of scenes that lead to each other. `mystira content validate FILE --watch` checks as you write.
title: {title}
description: One or two sentences that make a child want to begin.
age_group: "6-9"            # 1-2, 3-5, 6-9, 10-12, 13-18 or 19-150
minimum_age: 6
session_length: Short       # Short, Medium or Long
core_axes: [courage, kindness]   # what choices can turn: one to four
attribution:                # who made it; shown to families on the story's page
  author: Your name
  licence: CC BY 4.0        # what others may do with it

characters:
  - id: hero                # small letters, digits and _
    name: Robin
    metadata:
      role: [traveller]
      archetype: [explorer]
      species: human
      age: 9
      traits: [curious]
      backstory: Robin has never been past the hill.

scenes:
  # The start is the one scene that no other scene leads to.
  - id: start
    title: The beginning
    type: narrative         # goes on to next_scene by itself
    description: |
      Write what happens. *Markdown* is fine, HTML is not. [c:hero] becomes the player's name.
    next_scene: crossroads

  - id: crossroads
    title: Two ways
    type: choice            # two branches or more
    description: The path splits.
    active_character: hero  # whose move it is
    branches:
      - choice: Help the snail across.
        next_scene: cliff
        compass_change: {{axis: kindness, delta: 0.3}}    # from -1 to 1
        echo_log: {{echo_type: help-offered, description: You helped a snail., strength: 0.6}}
      - choice: Hurry on.
        next_scene: cliff
        compass_change: {{axis: courage, delta: 0.2}}

  - id: cliff
    title: The jump
    type: roll              # a twenty-sided die: difficulty or more wins
    description: It is not very far. It is quite far.
    difficulty: 9
    branches:               # first success, then failure
      - {{choice: You land., next_scene: end_well}}
      - {{choice: You slip., next_scene: end_soft}}

  - id: end_well
    title: On the other side
    type: special           # an ending
    description: You stand and laugh.
    echo_reveals:           # an echo from before comes back, if there is one
      - {{echo_type: help-offered, min_strength: 0.3, reveal_mechanic: dream}}   # mirror, dream, spirit or none

  - id: end_soft
    title: In the moss
    type: special
    description: You fall softly. The snail waves.
"""


def skeleton(title: str) -> str:
    """Return a commented file that validates without errors."""
    # JSON's quoting is YAML's too, so a title with colons or quotes stays one text.
    return SKELETON.format(title=json.dumps(title, ensure_ascii=False))
