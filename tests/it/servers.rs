//! Servers, from real services to rows.
