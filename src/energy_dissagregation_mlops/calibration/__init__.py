"""Intervals and presence, fitted on homes that the weights were not fitted on, for a bundle's card.

``series`` says what is known of a home, ``cells`` finds quantiles that hold the truth as often as they
should, ``intervals`` makes the tables of power and energy, ``presence`` learns how an appliance that is not
there looks, ``fit`` does it all. Test homes have no place here.
"""
