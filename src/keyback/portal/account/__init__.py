"""The account of a person who is signed in: signing in and out, home, password, security info."""
