"""Formulas on arrays, one file for each process of docs/model.md 7.

Formulas take arrays and numbers, never the state. Arrays end in their own axes, firms last (``[..., firm]``,
``[..., sector, firm]``, ``[..., owner, firm]``); leading axes are replicates and formulas do not know how many.
"""
