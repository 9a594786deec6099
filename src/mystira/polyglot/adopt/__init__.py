"""Takes over databases that other software wrote: looks at them, and reads them through a declared mapping."""
