"""Levers, and the rulebook into which policies' answers are combined."""
