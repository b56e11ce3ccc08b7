"""The questions themselves: compare, embed and detect. No HTTP, no batches."""
