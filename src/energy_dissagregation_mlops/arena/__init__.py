"""Where networks and baselines meet: under one protocol, on homes none has seen, with leaks refused.

``protocol`` reads what is compared, ``data`` brings the homes into the store, ``guards`` refuse leaks,
``baselines`` are what a network must beat, ``contests`` trains and scores, ``summary`` and ``table`` say
what came of it, ``benchmark`` does it all.
"""
