//! Why the database is slow: statements, plans, index advice, and what else is wrong with it.
//! Refuses to change anything by itself.
