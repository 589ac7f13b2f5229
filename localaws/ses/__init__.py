"""SES: event publishing and the authorization of senders."""
