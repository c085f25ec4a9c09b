"""A temporary access pass, which the helpdesk makes for somebody who has nothing else at hand."""
