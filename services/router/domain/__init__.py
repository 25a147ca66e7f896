"""Pure parts of the Router: how routes lie in the store, which pods a client is sent to."""
