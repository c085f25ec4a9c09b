"""What people registered to prove who they are with, beside addresses and numbers (see people.contacts)."""
