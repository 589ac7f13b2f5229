"""EventBridge: rules, targets and events that AWS rejects."""
