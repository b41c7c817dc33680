//! What is seen from outside. A leaf: it is told what happened, and asks nobody.

pub mod access;
pub mod audit;
pub mod log;
pub mod metrics;
