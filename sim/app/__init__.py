"""The front ends: the only modules that parse arguments, print or hold widgets."""
