"""Playing: sessions, moves, dice, compass, echoes, scores and badges; the server decides everything."""
