//! What Prometheus would know of the world: what is scraped, kept, asked for and alerted on.

pub mod exposed;
pub mod promql;
pub mod rules;
pub mod series;

pub use series::{Labels, Past};
