"""What happened: logs, the activity log, the audit ledger, health."""
