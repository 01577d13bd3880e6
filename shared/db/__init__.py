"""PostgreSQL: engines, statements, tenancy and the database's clock."""
