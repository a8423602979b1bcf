//! Reads every runbook of the corpus.
