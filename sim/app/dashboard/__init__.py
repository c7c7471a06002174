"""The live view: a history in the browser, with sliders (``aipower view``).

``offer`` says what can be moved, ``live`` is the model that follows, ``figures`` draws, ``page`` lays out, ``server``
serves. Only ``page`` and ``server`` need the extra ``view``, when they are used.
"""
