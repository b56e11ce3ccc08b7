"""Many objects in one invocation; each gets one result."""
