"""From the socket to a call: hosts, routes, who is asking, the HTTP projection of the registry."""
