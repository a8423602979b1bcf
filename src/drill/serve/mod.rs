//! What the world looks like on the wire: each face is a folder or file of its own, and asks the stage for what it tells.

pub mod alertmanager;
pub mod docker;
pub mod door;
pub mod hosts;
pub mod postgres;
pub mod prometheus;
pub mod ssh;
pub mod web;
pub mod wire;

#[cfg(test)]
mod tests;
