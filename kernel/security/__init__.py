"""Who may do what: the owner and his sessions, keys with scopes, passwords, sign-in links, sealing."""
