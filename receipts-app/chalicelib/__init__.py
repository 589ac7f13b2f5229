"""The modules of receipts-app."""
