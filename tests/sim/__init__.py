"""A seeded simulator: the real loop and core against a model exchange under a virtual clock.

`python -m tests.sim` says how a seed is replayed, how many are run, and which seed catches each
known mistake; `make sim SEEDS=n FROM=k` runs many. Layers, each importing only those above it:

    virtual_time   an event loop whose time jumps to the next timer
    script         what goes wrong in a run, by name, so that parts of it can be run again
    claims         what must hold
    chain, model, matcher
                   the exchange's own truth: blocks and nodes, rows and fills, what settles them
    machine        the disk and the kill switch's file of the machine that the bot runs on
    weather        what goes wrong, and how often
    limits, books, signed, sources, stopping, telling, budget
                   the claims worked out a second time, more plainly than the core does
    slots, regimes, features
                   the same for claims about single orders and about the strategy's features
    checker        told of everything that happens, asks all of these
    edge           the loop's `Venue` over the model, through the weather
    process        one process of the bot: it starts, stands still, ends
    wire           in the edge's place: the real adapter over bytes, rows and JSON-RPC of the model
    moments        what happens while a post or a cancel is under way
    scene          the parts of one seed, made
    world          one seed: people, anchors, processes that die and start again or are superseded
    run            one seed from start to end
    shrink         the shortest script that still fails
    mutations      one thing done wrong at an edge, so that the checker is seen to fail
    faults, fault_outcomes, feature_faults
                   one line of the bot itself done wrong, for the same
    many           seeds and mistakes on every core
"""
