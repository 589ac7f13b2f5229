"""SNS: requests that it refuses, and notifications as subscribers get them."""
