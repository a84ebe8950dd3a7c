"""Plain loops that say what the operations mean; slow, obvious, and the judge of every faster form."""
