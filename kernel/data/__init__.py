"""Storage for apps: every row belongs to an app, and where its scope says so to one of the app's users."""
