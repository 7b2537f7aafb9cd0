"""How variables become values: kinds of value, keys and addresses, models made of variables.

Nothing here knows a variable's name or reads the environment.
"""
