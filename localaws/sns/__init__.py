"""SNS: requests that it refuses, and notifications as functions get them."""
