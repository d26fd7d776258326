"""What people read: tables, figures, and Prefect's page of a run."""
