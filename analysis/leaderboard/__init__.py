"""The leaderboard page: every published number that is known, and one's own runs beside them."""
