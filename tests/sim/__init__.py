"""A seeded simulator: the real loop and core against a model exchange under a virtual clock.

`python -m tests.sim SEED` replays one seed with a trace; `test_sim.py` runs many. Layers, each
importing only those above it:

    virtual_time   an event loop whose time jumps to the next timer
    model          the exchange's own truth: rows, matcher, fills, chain
    weather        what goes wrong, and how often
    edge           the loop's `Exchange` over the model, through the weather
    checker        what must hold, told of everything that happens
    world          one seed: people, anchors, kill switch, processes that die and start again
    mutations      the same with one thing done wrong, so that the checker is seen to fail
"""
