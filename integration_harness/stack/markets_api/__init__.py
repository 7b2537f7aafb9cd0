"""The exchange's HTTP and WebSocket service, a process of its own in front of Postgres."""
