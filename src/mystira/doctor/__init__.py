"""`mystira doctor`: looks at the machine, the settings and the stores, and says what to do (docs/doctor.md)."""
