"""Good and bad requests, mixed, for as long as it takes to see memory grow or an answer change."""
