"""The wire: everything below the real adapter of the exchange, made of the simulator's model.

The adapter (`mm_bot.venues.numo`) runs as it is: its bodies, rows, JSON-RPC, signatures, error
mapping, fences and pages, and below it the real HTTP client and database session. What is simulated
is what they speak to. Each layer imports only those above it:

    places      addresses, keys, the listed markets, and our configuration there
    rendering   the model's rows as bodies of the API and rows of the tables
    mishaps     what can go wrong with one request, and how often
    answers     requests and answers as bytes, and the answers that are none
    api, node, database
                the three services: a request in, an answer out
    feed, listening, sockets
                what it tells of its changes: LISTEN and the WebSocket
    network     bytes on connections to them, through the mishaps
    venue       the adapter of one process, the checker told of what it does
    site        how processes open it, hear of it and die
    faults      one line of the adapter done wrong, so that the checker is seen to fail
"""
