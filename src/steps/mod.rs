//! DO: one folder per language of a runbook's fences.
