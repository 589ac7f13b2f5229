"""Commands for a running pipeline: simulated devices, a file of readings, and a reconciliation. Not deployed."""
